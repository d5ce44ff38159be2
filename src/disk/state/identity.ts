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

/** The Ed25519 key pair that identifies this machine to others. */
export interface Identity {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}

const fileName = 'identity'
const seedBytes = 32
/** Far more than an identity file has: bounds the read if something else lies there. */
const fileBytesMax = 4096

/** The directory of this user's identity: `p2psync` in the state directory of the XDG specification. */
export function identityDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_STATE_HOME: stateHome = '' } = env
  // The specification says to ignore a relative path.
  return join(isAbsolute(stateHome) ? stateHome : join(env.HOME || homedir(), '.local/state'), 'p2psync')
}

/**
 * Reads the identity in a directory, and creates it first if there is none. Processes that create it at the same time
 * all get the same one.
 *
 * @throws {SyncError} IDENTITY_UNUSABLE
 */
export function readIdentity(directory: string = identityDirectory()): Identity {
  const path = join(directory, fileName)
  try {
    const seed = readSeed(path)
    if (seed !== undefined) return keyPair(seed)
    makeSeed(directory, path)
    // Another process may have been faster: the file that is there now counts.
    const stored = readSeed(path)
    if (stored === undefined) throw unusable(`${path} disappeared as soon as p2psync created it. Try again`)
    return keyPair(stored)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    throw unusable(
      `Can't read or make this machine's identity ${path}: ${messageOf(error)}. ` +
        'Set XDG_STATE_HOME to a directory that can be written to',
      error
    )
  }
}

/** The seed stored at `path`; `undefined` if nothing is there. */
function readSeed(path: string): Buffer | undefined {
  let fd: number
  try {
    // Doesn't block on a FIFO, and doesn't follow a symlink at the end.
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

/** Refuses a file that others can read, as ssh does with its keys: anyone with the seed can impersonate this machine. */
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
    // The error below covers it.
  }
  throw unusable(
    `${path} is damaged, or of a newer p2psync. Restore it from a backup, or remove it and give others the new p2psync id`
  )
}

/** Creates a seed at `path` unless there is one, atomically and durably. */
function makeSeed(directory: string, path: string): void {
  makeDirectories(directory)
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.new`
  try {
    writeSeed(temporary)
    // Unlike a rename, a link fails if the name is taken.
    linkSync(temporary, path)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  // Also if another process created it: that one may not have synced yet, and this one uses the key at once.
  syncDirectory(directory)
}

function writeSeed(path: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    fchmodSync(fd, 0o600) // The umask may have removed bits.
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
