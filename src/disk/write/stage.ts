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

/** Supplies the content of files from the log. */
export interface ContentSource {
  /**
   * The content of `entry` in order; each piece is valid until the next call. Rejects when `signal` is aborted.
   *
   * @param options.inPlace whether only the file stores the content: the caller has written each piece to it before it
   *   asks for the next
   * @param options.doubtful whether to verify bytes copied from other files against the log even if they seem unchanged
   */
  read(entry: FileEntry, signal: AbortSignal, options?: ReceiveOptions): AsyncIterable<Uint8Array>
  /** The whole content of a pack. Rejects as `read` does. */
  pack(block: BlockRef, signal: AbortSignal): Promise<Uint8Array>
}

/** Cancellation and progress of a reception. */
export interface ReceiveHooks {
  readonly signal: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

export interface ReceiveOptions {
  readonly inPlace?: boolean
  readonly doubtful?: boolean
}

/** A file in reception. */
export interface StagedFile {
  /** Its absolute path. */
  readonly at: string
  /** Its size at the beginning, in bytes, with unverified content of an earlier run. */
  readonly found: number
  /** The number of verified bytes, from the first on. */
  trusted: number
}

/** Tracks files in reception, so that their blocks can be read from them. */
export interface StagedFiles {
  /** Adds the file at `at`, which has `found` bytes already. */
  stage(entry: FileEntry, at: string, found: number): StagedFile
  unstage(file: StagedFile): void
}

/** How to receive large files, whose content is stored only in the folder. */
export interface InPlaceStaging {
  /** Larger files are stored in place, in bytes. */
  readonly inPlaceAbove: number
  readonly files: StagedFiles
  readonly workers: Workers
}

/** A reception starts an fdatasync after each of these amounts. */
const earlyBytes = 64 * 1024 * 1024
const sync = promisify(fdatasync)

/** Thrown when content differs from its entry. */
export class WrongContent extends Error {}

export const wrongHash = 'content that does not have the hash of its entry'

/** The directory for files in reception, on the file system of the folder, so that a rename moves them in. */
export class Staging {
  readonly directory: string
  readonly #run = randomBytes(6).toString('hex')
  readonly #inPlace: InPlaceStaging | undefined
  /** The in-place files here, complete or partial, by path. */
  readonly #received = new Map<string, StagedFile>()
  /** The in-place files in reception or waiting to be moved in. */
  readonly #active = new Set<string>()
  /** The hashes of in-place files here, which may be partial. */
  readonly #parts = new Set<string>()
  #count = 0

  constructor(directory: string, inPlace?: InPlaceStaging) {
    this.directory = directory
    this.#inPlace = inPlace
  }

  /**
   * Makes the directory and removes the leftovers of an earlier run, except partial in-place files, which `receive`
   * resumes or `prune` removes.
   *
   * @returns the paths of files that an interrupted run had taken out of the folder; they stay
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

  /** Does the same, but doesn't make the directory. */
  reopen(): readonly string[] {
    return existsSync(this.directory) ? this.open() : []
  }

  /** Makes the directory unless it exists. */
  make(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
  }

  /** Whether a file's content is stored in the file only, which saves large files from taking twice the disk space. */
  isInPlace({ size }: FileEntry): boolean {
    return this.#inPlace !== undefined && size > this.#inPlace.inPlaceAbove
  }

  /**
   * Receives a file whose content is stored in place: resumes a partial one, and leaves a partial one if interrupted.
   * Otherwise as `file`.
   */
  async receive(entry: FileEntry, source: ContentSource, options: ReceiveHooks): Promise<string> {
    try {
      return await this.#receive(entry, source, options, false)
    } catch (error) {
      if (!(error instanceof WrongContent)) throw error
      // A disk may have silently corrupted a file that bytes were copied from.
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
      // The received part stays readable: another version of the file may share much of it.
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

  /** Stops tracking a staged file that was moved into the folder. */
  release(path: string): void {
    const staged = this.#received.get(path)
    this.#received.delete(path)
    this.#active.delete(path)
    if (staged !== undefined) this.#inPlace?.files.unstage(staged)
  }

  /** Deletes partial files, except those of these entries. */
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

  /** Concurrent receptions of equal content get separate files; only one of them is resumable. */
  #partPath({ hash }: FileEntry): string {
    const path = this.#pathOfPart(hash)
    return this.#active.has(path) ? this.#nextPath() : path
  }

  /**
   * Writes `content` to a new staged file and sets the entry's mode and time.
   *
   * @returns the staged file's path
   * @throws {WrongContent} if length or SHA-256 differ from the entry's; removes the file
   */
  async file(entry: FileEntry, content: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void): Promise<string> {
    const path = this.#nextPath()
    // The file is open only from the first byte to the last: many files may wait for their first.
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

  /** Makes a staged symlink, and never follows its target. @throws the system's error */
  symlink(entry: SymlinkEntry): string {
    const path = this.#nextPath()
    try {
      symlinkSync(entry.target, path)
    } catch (error) {
      // In this directory these codes can only mean that.
      const code = systemCode(error)
      if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'ENOTSUP') throw error
      throw Object.assign(new Error("The file system here can't hold symlinks"), { code })
    }
    setMetadata(path, entry)
    return path
  }

  /** Deletes a staged file that isn't needed. An in-place file stays, resumable, until `prune`. */
  discard(path: string): void {
    if (partName.test(basename(path))) {
      this.#active.delete(path)
      return
    }
    this.release(path)
    try {
      unlinkSync(path)
    } catch {
      // It was moved in already or never existed; else the next `open` removes it.
    }
  }

  /** A path for a file taken out of the folder, with its name in it, which `rescue` needs after an interrupted run. */
  asidePath(path: TreePath): string {
    return join(this.directory, `aside-${this.nextName()}-${cutToBytes(baseName(path), asideBytesMax)}`)
  }

  #nextPath(): string {
    return join(this.directory, this.nextName())
  }

  /** A name that is free in the directory. */
  nextName(): string {
    return `${this.#run}-${(this.#count++).toString(36)}`
  }
}

/** Syncs a large file during its reception, which shortens the final sync. */
class EarlySync {
  readonly #fd: number
  #waiting = 0
  #sync: Promise<void> | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Counts bytes written to the file. */
  wrote(bytes: number): void {
    this.#waiting += bytes
    if (this.#waiting < earlyBytes || this.#sync !== undefined) return
    this.#waiting = 0
    // An error here occurs again in the final sync.
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
/** Leaves room for the prefix of the name. */
const asideBytesMax = 200

/** The former name in the folder of a file taken aside. */
export function nameOfAside(path: string): string {
  return asideName.exec(basename(path))?.[1] ?? basename(path)
}

/** Attributes an error to the local disk, to the log (verified blocks, so a retry can't help) or to the transfer. */
export function stagingFault(error: unknown): Problem['action'] {
  if (systemCode(error) !== undefined) return 'write'
  return error instanceof WrongContent || error instanceof RangeError ? 'log' : 'fetch'
}

/** Makes a staged file; fails if the name is taken. */
export function createStaged(path: string): number {
  return openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
}

function openPart(path: string): number {
  const flags = constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    if (systemCode(error) !== 'EACCES') throw error
    // An earlier run had completed it and set its final mode.
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
