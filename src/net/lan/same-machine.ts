import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  watch,
  writeFileSync
} from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Address } from '../address/address.ts'

export interface SameMachineOptions {
  /** Identifies the folder: 32 hexadecimal digits. */
  readonly id: string
  /** This end's public key, in hexadecimal. */
  readonly publicKey: string
  /** The port of our TCP server. */
  readonly port: number
  /** The only address at which our TCP server listens; left out when loopback reaches it, too. */
  readonly host?: string | undefined
  /**
   * Called with a peer's address; with none when its process has ended. Called again when it restarts at the same port.
   */
  readonly onPeer: (publicKey: string, addresses: readonly Address[]) => void
  /** Whether to look for others without leaving a record. */
  readonly isHidden?: boolean | undefined
  /** The user's runtime directory; `XDG_RUNTIME_DIR` or its usual path when left out. */
  readonly runtimeDirectory?: string | undefined
  /** The parent of our own directory if there is no runtime directory; the system's when left out. */
  readonly temporaryDirectory?: string
}

/** The record that a process leaves for the others. */
interface RendezvousRecord {
  readonly pid: number
  readonly port: number
  readonly host?: string | undefined
}

interface Seen extends RendezvousRecord {
  /** Changes when the record is replaced. */
  readonly version: string
}

/** The polling interval. File notifications come sooner, but not on every file system. */
const sweepMs = 1000
/** The pause after a notification, to handle a burst of them at once. */
const settleMs = 20
const recordBytesMax = 4096
const recordsMax = 256
/** Bounds on the directory entries to examine, whatever else lies there. */
const filesMax = 1024
const namesMax = 16_384

/**
 * Finds the peers of a folder among this user's processes on this machine, without any network but loopback: each
 * leaves a record in a directory that no other user can read.
 */
export class SameMachine {
  readonly #options: SameMachineOptions
  readonly #timer: NodeJS.Timeout
  readonly #peers = new Map<string, Seen>()
  /** The directory of the records, while usable. */
  #directory: string | undefined
  #watcher: { readonly inode: number; readonly handle: FSWatcher } | undefined
  #settling: NodeJS.Timeout | undefined
  #unavailable: string | undefined
  #closed = false

  constructor(options: SameMachineOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#sweep(), sweepMs)
    this.#timer.unref()
    setImmediate(() => this.#sweep())
  }

  /** Why this search doesn't work, in words for the user; `undefined` if it does. */
  get unavailable(): string | undefined {
    return this.#unavailable
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    clearTimeout(this.#settling)
    this.#watcher?.handle.close()
    if (this.#directory === undefined) return
    const own = this.#recordPath(this.#directory, this.#options.publicKey)
    if (readRecord(own)?.pid === process.pid) remove(own)
  }

  #sweep(): void {
    if (!this.#closed) this.#report(this.#exchangeRecords())
  }

  /**
   * Leaves our record and reads the others'. Recreates whatever is missing, since systems clean up such directories.
   */
  #exchangeRecords(): ReadonlyMap<string, Seen> {
    try {
      const directory = prepareDirectory(this.#options)
      this.#directory = directory
      this.#watch(directory)
      if (!this.#options.isHidden) this.#leaveRecord(directory)
      this.#unavailable = undefined
      return this.#readRecords(directory)
    } catch (error) {
      this.#unavailable = (error as Error).message
      this.#directory = undefined
      return new Map()
    }
  }

  #recordPath(directory: string, publicKey: string): string {
    return join(directory, `${publicKey}.json`)
  }

  #leaveRecord(directory: string): void {
    const { publicKey, port, host } = this.#options
    const path = this.#recordPath(directory, publicKey)
    // Keep the record of another live process with our key: the two would replace each other's for ever.
    const existing = readRecord(path)
    if (
      existing !== undefined &&
      (existing.pid === process.pid ? existing.port === port && existing.host === host : isAlive(existing.pid))
    )
      return
    const temporary = join(directory, `.${publicKey}.${process.pid}`)
    remove(temporary)
    writeFileSync(temporary, JSON.stringify({ v: 1, pid: process.pid, port, host }), { flag: 'wx', mode: 0o600 })
    renameSync(temporary, path)
  }

  #readRecords(directory: string): Map<string, Seen> {
    const found = new Map<string, Seen>()
    for (const publicKey of listKeys(directory)) {
      if (publicKey === this.#options.publicKey) continue
      const path = this.#recordPath(directory, publicKey)
      const record = readRecord(path)
      if (record === undefined) continue
      if (!isAlive(record.pid)) remove(path)
      else if (found.size < recordsMax) found.set(publicKey, record)
    }
    return found
  }

  #report(found: ReadonlyMap<string, Seen>): void {
    for (const publicKey of [...this.#peers.keys()]) {
      if (found.has(publicKey)) continue
      this.#peers.delete(publicKey)
      this.#options.onPeer(publicKey, [])
    }
    for (const [publicKey, record] of found) {
      if (this.#peers.get(publicKey)?.version === record.version) continue
      this.#peers.set(publicKey, record)
      this.#options.onPeer(publicKey, [{ host: record.host ?? '127.0.0.1', port: record.port }])
    }
  }

  #watch(directory: string): void {
    const inode = lstatSync(directory).ino
    if (this.#watcher?.inode === inode) return
    this.#watcher?.handle.close()
    this.#watcher = undefined
    try {
      const handle = watch(directory, { persistent: false }, () => this.#sweepSoon())
      handle.on('error', () => handle.close())
      this.#watcher = { inode, handle }
    } catch {
      // Too many watches are open already. Polling suffices.
    }
  }

  #sweepSoon(): void {
    if (this.#settling !== undefined || this.#closed) return
    this.#settling = setTimeout(() => {
      this.#settling = undefined
      this.#sweep()
    }, settleMs)
    this.#settling.unref()
  }
}

/** Creates or checks the directory of the records. @throws with the reason, in words for the user, if none is safe */
function prepareDirectory(options: SameMachineOptions): string {
  const { id, temporaryDirectory = tmpdir() } = options
  const uid = process.getuid?.()
  if (uid === undefined) throw new Error('this system has no user ids')
  // Services and cron jobs of the same user don't have the variable.
  const runtimeDirectory = options.runtimeDirectory ?? process.env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`
  const runtime = isUsersOwn(runtimeDirectory, uid)
    ? runtimeDirectory
    : makePrivate(join(temporaryDirectory, `p2psync-${uid}`), uid)
  return makePrivate(join(makePrivate(join(runtime, 'p2psync'), uid), id), uid)
}

/** Whether no other user can write there. A program run as another user may have inherited the variable. */
function isUsersOwn(directory: string | undefined, uid: number): directory is string {
  if (directory === undefined || !isAbsolute(directory)) return false
  try {
    const stats = lstatSync(directory)
    return stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0
  } catch {
    return false
  }
}

/** Creates a directory that only this user can access. @throws if an existing one is not such a directory */
function makePrivate(directory: string, uid: number): string {
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const stats = lstatSync(directory)
  if (!stats.isDirectory()) throw new Error(`${directory} is not a directory`)
  if (stats.uid !== uid) throw new Error(`${directory} belongs to another user`)
  if ((stats.mode & 0o077) !== 0) throw new Error(`${directory} is open to other users`)
  return directory
}

/** The public keys of the records in a directory, by file name. */
function listKeys(directory: string): string[] {
  const keys: string[] = []
  const entries = opendirSync(directory, { bufferSize: 1024 })
  try {
    for (let names = 0; names < namesMax && keys.length < filesMax; names++) {
      const entry = entries.readSync()
      if (entry === null) break
      const key = /^([0-9a-f]{64})\.json$/.exec(entry.name)?.[1]
      if (key !== undefined) keys.push(key)
    }
  } finally {
    entries.closeSync()
  }
  return keys
}

/** Reads a record without trusting its path: reads only a small regular file, follows no link and never blocks. */
function readRecord(path: string): Seen | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    if (!stats.isFile() || stats.size > recordBytesMax) return undefined
    const bytes = Buffer.allocUnsafe(recordBytesMax)
    const record = parseRecord(bytes.toString('utf8', 0, readSync(fd, bytes)))
    return record && { ...record, version: versionOf(stats) }
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function parseRecord(text: string): RendezvousRecord | undefined {
  const { v, pid, port, host } = JSON.parse(text) as Readonly<Record<'v' | 'pid' | 'port' | 'host', unknown>>
  if (v !== 1 || !isWithin(pid, 2 ** 31 - 1) || !isWithin(port, 65_535)) return undefined
  if (host === undefined) return { pid, port }
  return typeof host === 'string' && isIP(host) !== 0 ? { pid, port, host } : undefined
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max
}

function versionOf({ ino, mtimeMs }: Stats): string {
  return `${ino} ${mtimeMs}`
}

/** A reused process id does no harm: a dial shows that the process isn't the peer. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // Another process removed it first, or somebody put a directory there.
  }
}
