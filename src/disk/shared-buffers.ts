/** So many are kept for the next time. */
const buffersMax = 8

/** Bytes, as a worker thread is told where they are. */
export interface SharedBytes {
  readonly buffer: SharedArrayBuffer
  /** Where in it they begin. */
  readonly at: number
  readonly length: number
}

/**
 * Copies of bytes in memory that worker threads see too, used again and again. To hand over buffers instead would have
 * the garbage collector of either side count, and collect, all that ever went by.
 */
export class SharedBuffers {
  readonly #room: number
  readonly #buffers: SharedArrayBuffer[] = []

  /** @param room of each, in bytes */
  constructor(room: number) {
    this.#room = room
  }

  /** Calls `use` with bytes that worker threads see: these, or a copy of them, of which there are no more than there is room for. */
  async share<T>(bytes: Uint8Array, use: (shared: SharedBytes) => Promise<T>): Promise<T> {
    const { buffer, byteOffset, length } = bytes
    if (buffer instanceof SharedArrayBuffer) return use({ buffer, at: byteOffset, length })
    const copy = this.#buffers.pop() ?? new SharedArrayBuffer(this.#room)
    new Uint8Array(copy).set(bytes)
    const result = await use({ buffer: copy, at: 0, length })
    if (this.#buffers.length < buffersMax) this.#buffers.push(copy)
    return result
  }
}
