import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { basename, join } from 'node:path'
import { systemCode } from '../errors.ts'
import { reached } from '../steps.ts'
import type { FileEntry, SymlinkEntry } from '../tree/entry.ts'
import { cutToBytes } from '../tree/marked-name.ts'
import { baseName, type TreePath } from '../tree/path.ts'
import type { Problem } from '../tree/tree.ts'
import { setMetadata } from './metadata.ts'

/** Where a reader gets the bytes of a file from; the log, in the end. */
export interface ContentSource {
  /** The content of `entry`, from its first byte to its last. Rejects when `signal` is aborted. */
  read(entry: FileEntry, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** Thrown when bytes aren't those that the entry promises. */
export class WrongContent extends Error {}

/** The directory where files are received, on the file system of the folder so that a rename moves them in. */
export class Staging {
  readonly directory: string
  readonly #run = randomBytes(6).toString('hex')
  #count = 0

  constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Makes the directory and empties it of what an earlier run has left.
   *
   * @returns the paths of what was taken out of the folder when that run was cut off: it is left
   */
  open(): readonly string[] {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    const paths = readdirSync(this.directory).map((name) => join(this.directory, name))
    const aside = paths.filter((path) => asideName.test(basename(path)))
    for (const path of paths) if (!aside.includes(path)) rmSync(path, { recursive: true, force: true })
    return aside
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
        if (size > entry.size) throw new WrongContent(`more than the ${entry.size} bytes that its entry promises`)
        hash.update(bytes)
        if (bytes.length > 0) {
          fd ??= create(path)
          writeAll(fd, bytes)
        }
        if (size === entry.size) close()
        onBytes?.(bytes.length)
      }
      if (size === 0 && entry.size === 0) closeSync(create(path))
      if (size !== entry.size) throw new WrongContent(`${size} bytes where its entry promises ${entry.size}`)
      if (hash.digest('hex') !== entry.hash) throw new WrongContent('content that does not have the hash of its entry')
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

  /** Drops what was staged and isn't wanted any more. */
  discard(path: string): void {
    try {
      unlinkSync(path)
    } catch {
      // Moved in already, or never there; what stays is emptied out at the next start.
    }
  }

  /** A place for what is taken out of the folder, by which it is known what it was should this run be cut off. */
  asidePath(path: TreePath): string {
    return join(this.directory, `aside-${this.#nextName()}-${cutToBytes(baseName(path), asideBytesMax)}`)
  }

  #nextPath(): string {
    return join(this.directory, this.#nextName())
  }

  #nextName(): string {
    return `${this.#run}-${(this.#count++).toString(36)}`
  }
}

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

function create(path: string): number {
  return openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done)
}
