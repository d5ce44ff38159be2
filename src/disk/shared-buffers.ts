/** So many are kept for the next time. */
const buffersMax = 8

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

  /** A buffer that begins with `bytes`, of which there are no more than there is room for. */
  copyOf(bytes: Uint8Array): SharedArrayBuffer {
    const buffer = this.#buffers.pop() ?? new SharedArrayBuffer(this.#room)
    new Uint8Array(buffer).set(bytes)
    return buffer
  }

  /** Takes a buffer back that nobody looks at any more. */
  give(buffer: SharedArrayBuffer): void {
    if (this.#buffers.length < buffersMax) this.#buffers.push(buffer)
  }
}
