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
import { join } from 'node:path'
import { reached } from '../steps.ts'
import type { FileEntry, SymlinkEntry } from '../tree/entry.ts'
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

  /** Makes the directory and empties it of what an earlier run has left. */
  open(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(this.directory)) rmSync(join(this.directory, name), { recursive: true, force: true })
  }

  /**
   * Writes `content` to a staged file of its own and gives it the entry's mode and time.
   *
   * @returns the staged file's path
   * @throws {WrongContent} when length or SHA-256 aren't the entry's; nothing stays behind
   */
  async file(entry: FileEntry, content: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void): Promise<string> {
    const path = this.#nextPath()
    const fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
    let open = true
    try {
      const hash = createHash('sha256')
      let size = 0
      for await (const bytes of content) {
        size += bytes.length
        if (size > entry.size) throw new WrongContent(`more than the ${entry.size} bytes that its entry promises`)
        hash.update(bytes)
        writeAll(fd, bytes)
        onBytes?.(bytes.length)
      }
      if (size !== entry.size) throw new WrongContent(`${size} bytes where its entry promises ${entry.size}`)
      if (hash.digest('hex') !== entry.hash) throw new WrongContent('content that does not have the hash of its entry')
      closeSync(fd)
      open = false
      reached('content-received')
      setMetadata(path, entry)
      reached('file-staged')
      return path
    } catch (error) {
      if (open) closeSync(fd)
      this.discard(path)
      throw error
    }
  }

  /** Makes a staged symlink; its target is only data. */
  symlink(entry: SymlinkEntry): string {
    const path = this.#nextPath()
    symlinkSync(entry.target, path)
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

  #nextPath(): string {
    return join(this.directory, `${this.#run}-${(this.#count++).toString(36)}`)
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done)
}
