import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { systemCode } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { Entry, FileEntry, SymlinkEntry } from '../../tree/entry.ts'
import { cutToBytes } from '../../tree/marked-name.ts'
import { baseName, type TreePath } from '../../tree/path.ts'
import type { Problem } from '../../tree/tree.ts'
import { setMetadata } from '../path/metadata.ts'
import { withSharedBytes } from '../threads/shared-bytes.ts'
import { type Lane, nextSumId, type Workers } from '../threads/workers.ts'

/** Where a reader gets the bytes of a file from; the log, in the end. */
export interface ContentSource {
  /**
   * The content of `entry`, from its first byte to its last, in pieces of which each is there until the next is asked
   * for. Rejects when `signal` is aborted.
   *
   * @param options.inPlace whether the file keeps it, and nobody else: what was read has to be there when more is
   *   asked for
   * @param options.doubtful whether what other files have of it is to be compared with the log, however sure it seems
   */
  read(entry: FileEntry, signal: AbortSignal, options?: ReceiveOptions): AsyncIterable<Uint8Array>
  /** All that a pack holds. Fails as `read` does. */
  pack(block: BlockRef, signal: AbortSignal): Promise<Uint8Array>
}

/** What goes on beside it. */
export interface ReceiveHooks {
  readonly signal: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

export interface ReceiveOptions {
  readonly inPlace?: boolean
  readonly doubtful?: boolean
}

/** A file that is being received. */
export interface StagedFile {
  /** Its absolute path. */
  readonly at: string
  /** How many of its bytes are there; some from an earlier run, perhaps, and as it left them. */
  readonly found: number
  /** How many of them are what they should be. */
  trusted: number
}

/** Keeps account of what is being received, so that it can be read from there. */
export interface StagedFiles {
  /** Takes note of the file at `at`, of which `found` bytes are there. */
  stage(entry: FileEntry, at: string, found: number): StagedFile
  unstage(file: StagedFile): void
}

/** How large files are received, whose content is kept in the folder alone. */
export interface InPlaceStaging {
  /** Of files larger than this, in bytes. */
  readonly inPlaceAbove: number
  readonly files: StagedFiles
  readonly workers: Workers
}

/** A disk is told to write after so many bytes. */
const earlyBytes = 64 * 1024 * 1024
const sync = promisify(fdatasync)

/** Thrown when bytes aren't those that the entry promises. */
export class WrongContent extends Error {}

export const wrongHash = 'content that does not have the hash of its entry'

/** The directory where files are received, on the file system of the folder so that a rename moves them in. */
export class Staging {
  readonly directory: string
  readonly #run = randomBytes(6).toString('hex')
  readonly #inPlace: InPlaceStaging | undefined
  /** What was received, whole or in part, and lies here, by its path. */
  readonly #received = new Map<string, StagedFile>()
  /** What is being received, or waits to be moved in. */
  readonly #active = new Set<string>()
  /** Files received in part, by the hash of what they shall hold. */
  readonly #parts = new Set<string>()
  #count = 0

  constructor(directory: string, inPlace?: InPlaceStaging) {
    this.directory = directory
    this.#inPlace = inPlace
  }

  /**
   * Makes the directory and empties it of what an earlier run has left, but for files that were received in part: they
   * are gone on with, or pruned.
   *
   * @returns the paths of what was taken out of the folder when that run was cut off: it is left
   */
  open(): readonly string[] {
    this.make()
    const paths = readdirSync(this.directory).map((name) => join(this.directory, name))
    const aside = paths.filter((path) => asideName.test(basename(path)))
    this.#parts.clear()
    for (const path of paths) {
      const hash = partName.exec(basename(path))?.[1]
      if (hash !== undefined) this.#parts.add(hash)
      else if (!aside.includes(path)) rmSync(path, { recursive: true, force: true })
    }
    return aside
  }

  /** The same, but where nothing was ever received no directory is made. */
  reopen(): readonly string[] {
    return existsSync(this.directory) ? this.open() : []
  }

  /** Makes the directory where there is none. */
  make(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
  }

  /** Whether the content of a file is kept in the file alone: large ones would take twice the disk. */
  isInPlace({ size }: FileEntry): boolean {
    return this.#inPlace !== undefined && size > this.#inPlace.inPlaceAbove
  }

  /**
   * Receives a file whose content is kept in place: what was received before is gone on with, and what is received
   * now stays for the next time when it is cut off. Else as `file`.
   */
  async receive(entry: FileEntry, source: ContentSource, options: ReceiveHooks): Promise<string> {
    try {
      return await this.#receive(entry, source, options, false)
    } catch (error) {
      if (!(error instanceof WrongContent)) throw error
      // A disk may have changed a file that was copied from, and told nobody.
      return this.#receive(entry, source, options, true)
    }
  }

  async #receive(
    entry: FileEntry,
    source: ContentSource,
    { signal, onBytes }: ReceiveHooks,
    doubtful: boolean
  ): Promise<string> {
    const { files, workers } = this.#inPlace as InPlaceStaging
    const path = this.#partPath(entry)
    const fd = openPart(path)
    this.#parts.add(entry.hash)
    this.release(path)
    this.#active.add(path)
    const staged = files.stage(entry, path, fstatSync(fd).size)
    this.#received.set(path, staged)
    const lane = workers.lane()
    const id = nextSumId()
    const sum = () => lane.run('take-sum', { id })
    const early = new EarlySync(fd)
    try {
      for await (const bytes of source.read(entry, signal, { inPlace: true, doubtful })) {
        if (staged.trusted + bytes.length > entry.size) throw new WrongContent(moreThan(entry))
        await this.#write(lane, { id, fd, offset: staged.trusted }, bytes)
        staged.trusted += bytes.length
        early.wrote(bytes.length)
        onBytes?.(bytes.length)
      }
      check(entry, staged.trusted, await sum())
      ftruncateSync(fd, entry.size)
      reached('content-received')
      setMetadata(path, entry)
      reached('file-staged')
      return path
    } catch (error) {
      // What has come can be read from here on: another version of the file may have much of it.
      this.#active.delete(path)
      if (error instanceof WrongContent || error instanceof RangeError) this.#drop(path)
      await sum().catch(() => {})
      throw error
    } finally {
      lane.release()
      await early.end()
      closeSync(fd)
    }
  }

  async #write(
    lane: Lane,
    to: { readonly id: number; readonly fd: number; readonly offset: number },
    bytes: Uint8Array
  ): Promise<void> {
    await withSharedBytes(bytes, (seen) => lane.run('write-chunk', { ...to, bytes: seen }))
  }

  /** What was staged lies elsewhere now, and is known there. */
  release(path: string): void {
    const staged = this.#received.get(path)
    this.#received.delete(path)
    this.#active.delete(path)
    if (staged !== undefined) this.#inPlace?.files.unstage(staged)
  }

  /** Drops what was received in part, but for these entries. */
  prune(wantedEntries: Iterable<Entry | undefined>): void {
    const wanted = new Set<string>()
    for (const entry of wantedEntries) if (entry?.type === 'file') wanted.add(entry.hash)
    for (const hash of [...this.#parts]) {
      const path = this.#pathOfPart(hash)
      if (wanted.has(hash) || this.#active.has(path)) continue
      this.#parts.delete(hash)
      this.#drop(path)
    }
  }

  #drop(path: string): void {
    this.release(path)
    rmSync(path, { force: true })
  }

  #pathOfPart(hash: string): string {
    return join(this.directory, `part-${hash}`)
  }

  /** Two of one content that come at once are two files, of which one is gone on with. */
  #partPath({ hash }: FileEntry): string {
    const path = this.#pathOfPart(hash)
    return this.#active.has(path) ? this.#nextPath() : path
  }

  /**
   * Writes `content` to a staged file of its own and gives it the entry's mode and time.
   *
   * @returns the staged file's path
   * @throws {WrongContent} when length or SHA-256 aren't the entry's; nothing stays behind
   */
  async file(entry: FileEntry, content: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void): Promise<string> {
    const path = this.#nextPath()
    // Open from the first byte to the last alone: many files may wait for their first.
    let fd: number | undefined
    const close = () => {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    }
    try {
      const hash = createHash('sha256')
      let size = 0
      for await (const bytes of content) {
        size += bytes.length
        if (size > entry.size) throw new WrongContent(moreThan(entry))
        hash.update(bytes)
        if (bytes.length > 0) {
          fd ??= createStaged(path)
          writeAll(fd, bytes)
        }
        if (size === entry.size) close()
        onBytes?.(bytes.length)
      }
      if (size === 0 && entry.size === 0) closeSync(createStaged(path))
      check(entry, size, hash.digest('hex'))
      reached('content-received')
      setMetadata(path, entry)
      reached('file-staged')
      return path
    } catch (error) {
      close()
      this.discard(path)
      throw error
    }
  }

  /** Makes a staged symlink; its target is only data. Throws the system's error, in plain words where there are none. */
  symlink(entry: SymlinkEntry): string {
    const path = this.#nextPath()
    try {
      symlinkSync(entry.target, path)
    } catch (error) {
      // In a directory of our own nothing else is refused with these.
      const code = systemCode(error)
      if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'ENOTSUP') throw error
      throw Object.assign(new Error("The file system here can't hold symlinks"), { code })
    }
    setMetadata(path, entry)
    return path
  }

  /** Drops what was staged and isn't wanted any more. What was received at length stays until it is pruned. */
  discard(path: string): void {
    if (partName.test(basename(path))) {
      this.#active.delete(path)
      return
    }
    this.release(path)
    try {
      unlinkSync(path)
    } catch {
      // Moved in already, or never there; what stays is emptied out at the next start.
    }
  }

  /** A place for what is taken out of the folder, by which it is known what it was should this run be cut off. */
  asidePath(path: TreePath): string {
    return join(this.directory, `aside-${this.nextName()}-${cutToBytes(baseName(path), asideBytesMax)}`)
  }

  #nextPath(): string {
    return join(this.directory, this.nextName())
  }

  /** A name in the directory that nothing there has. */
  nextName(): string {
    return `${this.#run}-${(this.#count++).toString(36)}`
  }
}

/** Has a disk write a large file while it comes, so that there is less to wait for when it has come. */
class EarlySync {
  readonly #fd: number
  #waiting = 0
  #sync: Promise<void> | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  /** So many bytes more were written to the file. */
  wrote(bytes: number): void {
    this.#waiting += bytes
    if (this.#waiting < earlyBytes || this.#sync !== undefined) return
    this.#waiting = 0
    // What fails here fails again where the file must be on the disk.
    this.#sync = sync(this.#fd)
      .catch(() => {})
      .finally(() => {
        this.#sync = undefined
      })
  }

  async end(): Promise<void> {
    await this.#sync
  }
}

const partName = /^part-([0-9a-f]{64})$/
const asideName = /^aside-[0-9a-f]+-[0-9a-z]+-(.+)$/s
/** Leaves room for what stands before the name. */
const asideBytesMax = 200

/** The name in the folder of what lies aside. */
export function nameOfAside(path: string): string {
  return asideName.exec(basename(path))?.[1] ?? basename(path)
}

/** What failed: our disk; the log, whose blocks are verified and won't be others the next time; or the way to it. */
export function stagingFault(error: unknown): Problem['action'] {
  if (systemCode(error) !== undefined) return 'write'
  return error instanceof WrongContent || error instanceof RangeError ? 'log' : 'fetch'
}

/** Makes a staged file, where nothing has its name. */
export function createStaged(path: string): number {
  return openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
}

function openPart(path: string): number {
  const flags = constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    if (systemCode(error) !== 'EACCES') throw error
    // An earlier run had it whole, and with the mode that it shall have.
    chmodSync(path, 0o600)
    return openSync(path, flags)
  }
}

export function writeAll(fd: number, bytes: Uint8Array, at: number | null = null): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at === null ? null : at + done)
  }
}

function moreThan({ size }: FileEntry): string {
  return `more than the ${size} bytes that its entry promises`
}

function check(entry: FileEntry, size: number, hash: string): void {
  if (size !== entry.size) throw new WrongContent(`${size} bytes where its entry promises ${entry.size}`)
  if (hash !== entry.hash) throw new WrongContent(wrongHash)
}
