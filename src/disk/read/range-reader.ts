import { closeSync, constants, fstat, openSync, read, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import { BoundedMap } from '../../bounded-map.ts'
import { BufferPool } from '../../buffer-pool.ts'
import type { TreePath } from '../../tree/path.ts'
import { Beneath } from '../path/beneath.ts'
import { isRacy, signatureOf } from './seen.ts'

const statOf: (fd: number) => Promise<Stats> = promisify(fstat)
const readInto = promisify(read)

/** The most files of the folder to keep open: readers mostly read a file from its first byte to its last. */
const openFilesMax = 16

/** Covers the blocks that are read at the same time. */
const memoryMax = 16 * 1024 * 1024

interface OpenFile {
  readonly fd: number
  readonly signature: string
  users: number
  /** Whether to close it after the last read in progress. */
  isOver: boolean
}

/** Reads ranges of files, which hold blocks that peers request. A slow disk doesn't block the event loop. */
export class RangeReader {
  readonly #root: string
  readonly #memory: BufferPool
  readonly #open = new BoundedMap<TreePath, OpenFile>(openFilesMax, end)
  readonly #held = new Map<string, OpenFile>()

  /** @param options.shared whether to read into memory that worker threads share */
  constructor(root: string, { shared = false }: { readonly shared?: boolean } = {}) {
    this.#root = root
    this.#memory = new BufferPool({ shared, bytesMax: memoryMax })
  }

  /**
   * Reads a range of the file at a path; `undefined` if there is no file or it is too short.
   *
   * @param signature the file's signature when it was matched with the log
   * @returns the bytes, in memory lent by a pool, and whether the file is certainly unchanged since then
   */
  async read(
    path: TreePath,
    signature: string,
    offset: number,
    length: number
  ): Promise<{ readonly bytes: Buffer; readonly certain: boolean } | undefined> {
    let file: OpenFile
    try {
      file = this.#fileAt(path, signature)
    } catch {
      return undefined // The watch of the folder deals with the change.
    }
    return use(file, async () => {
      const bytes = await this.#readFully(file.fd, offset, length)
      if (bytes === undefined) return undefined
      // If the file is unchanged after the read, it was so during the read.
      const stats = await statOf(file.fd)
      const certain = signatureOf(stats) === signature && !isRacy(stats, Date.now())
      // Another file may be at the path by now.
      if (!certain) this.#forget(path)
      return { bytes, certain }
    }).catch(() => undefined)
  }

  /** Keeps a file open until `release`, wherever it is moved. @param at its absolute path @throws the system's error */
  hold(at: string): void {
    const fd = openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW)
    this.#held.set(at, { fd, signature: '', users: 0, isOver: false })
  }

  /** Reads a range of a held file into memory lent by a pool; `undefined` if the file is too short or isn't held. */
  async readHeld(at: string, offset: number, length: number): Promise<Buffer | undefined> {
    const file = this.#held.get(at)
    return file && use(file, () => this.#readFully(file.fd, offset, length)).catch(() => undefined)
  }

  release(at: string): void {
    const file = this.#held.get(at)
    this.#held.delete(at)
    if (file !== undefined) end(file)
  }

  close(): void {
    for (const file of [...this.#open.values(), ...this.#held.values()]) end(file)
    this.#open.clear()
    this.#held.clear()
  }

  async #readFully(fd: number, offset: number, length: number): Promise<Buffer | undefined> {
    const bytes = this.#memory.lend(length)
    for (let done = 0; done < length; ) {
      const { bytesRead } = await readInto(fd, bytes, done, length - done, offset + done)
      if (bytesRead === 0) return undefined
      done += bytesRead
    }
    return bytes
  }

  #fileAt(path: TreePath, signature: string): OpenFile {
    const known = this.#open.get(path)
    if (known?.signature === signature) return known
    this.#forget(path)
    const beneath = new Beneath(this.#root)
    try {
      const fd = openSync(beneath.locate(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      const file = { fd, signature, users: 0, isOver: false }
      this.#open.set(path, file)
      return file
    } finally {
      beneath.close()
    }
  }

  #forget(path: TreePath): void {
    const file = this.#open.get(path)
    this.#open.delete(path)
    if (file !== undefined) end(file)
  }
}

async function use<T>(file: OpenFile, act: () => Promise<T>): Promise<T> {
  file.users++
  try {
    return await act()
  } finally {
    if (--file.users === 0 && file.isOver) closeSync(file.fd)
  }
}

function end(file: OpenFile): void {
  file.isOver = true
  if (file.users === 0) closeSync(file.fd)
}
