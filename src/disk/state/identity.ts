import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { keyPair } from 'hypercore-crypto'
import { messageOf, SyncError, systemCode } from '../../errors.ts'
import { syncDirectory } from './marker.ts'

/** The pair of Ed25519 keys by which this machine is known to others. */
export interface Identity {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}

const fileName = 'identity'
const seedBytes = 32
/** Far more than a file of ours has: whatever stands there instead isn't read whole. */
const fileBytesMax = 4096

/** Where this user's identity is kept: `p2psync` in the directory for state of the XDG base directories. */
export function identityDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_STATE_HOME: stateHome = '' } = env
  // A relative path is to be ignored, says the specification.
  return join(isAbsolute(stateHome) ? stateHome : join(env.HOME || homedir(), '.local/state'), 'p2psync')
}

/**
 * The identity in a directory, made where there is none yet. Processes that make it at once end with the same one.
 *
 * @throws {SyncError} IDENTITY_UNUSABLE
 */
export function readIdentity(directory: string = identityDirectory()): Identity {
  const path = join(directory, fileName)
  try {
    const seed = readSeed(path)
    if (seed !== undefined) return keyPair(seed)
    makeSeed(directory, path)
    // Another process may have been faster: what stands there now is what counts.
    const made = readSeed(path)
    if (made === undefined) throw unusable(`${path} was removed as soon as it was made. Try again`)
    return keyPair(made)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    throw unusable(
      `Can't read or make this machine's identity ${path}: ${messageOf(error)}. ` +
        'Set XDG_STATE_HOME to a directory that can be written to',
      error
    )
  }
}

/** The seed that is kept at `path`, or `undefined` where nothing is. */
function readSeed(path: string): Buffer | undefined {
  let fd: number
  try {
    // Never waits, as for the other end of a pipe, and follows no link at the end.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    if (systemCode(error) === 'ELOOP') throw unusable(`${path} is a link, not a file of p2psync's. Remove it`, error)
    throw error
  }
  try {
    checkFile(path, fd)
    const bytes = Buffer.alloc(fileBytesMax)
    return parseSeed(path, bytes.toString('utf8', 0, readSync(fd, bytes)))
  } finally {
    closeSync(fd)
  }
}

/** Refuses what others may have read, as ssh does with its keys: whoever has the seed is this machine to others. */
function checkFile(path: string, fd: number): void {
  const stats = fstatSync(fd)
  if (!stats.isFile()) throw unusable(`${path} is no file, but this machine's identity is kept there. Move it away`)
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
    throw unusable(
      `${path} has mode ${mode}, so others can read the secret of this machine. If nobody has: chmod 600 ${path}. ` +
        'Else remove it, and give others the new p2psync id'
    )
  }
}

function parseSeed(path: string, text: string): Buffer {
  try {
    const { format, seed } = JSON.parse(text) as Record<string, unknown>
    if (format === 1 && typeof seed === 'string' && /^[0-9a-f]{64}$/.test(seed)) return Buffer.from(seed, 'hex')
  } catch {
    // Said below.
  }
  throw unusable(
    `${path} is damaged, or of a newer p2psync. Restore it from a backup, or remove it and give others the new p2psync id`
  )
}

/** Puts a new seed at `path` where there is none, whole and durable. */
function makeSeed(directory: string, path: string): void {
  makeDirectories(directory)
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.new`
  try {
    writeSeed(temporary)
    // Unlike a rename this fails where something stands already.
    linkSync(temporary, path)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  // Also after another process: it may not have come so far yet, and the key is given away at once.
  syncDirectory(directory)
}

function writeSeed(path: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    fchmodSync(fd, 0o600) // Whatever the umask took away.
    writeFileSync(fd, `${JSON.stringify({ format: 1, seed: randomBytes(seedBytes).toString('hex') })}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function makeDirectories(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let at = directory; at.length >= first.length; at = dirname(at)) syncDirectory(dirname(at))
}

function unusable(message: string, cause?: unknown): SyncError {
  return new SyncError('IDENTITY_UNUSABLE', message, { cause })
}
