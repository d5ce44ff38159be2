/** So many are kept for the next time. */
const buffersMax = 8

/** Copies of bytes, to be handed to worker threads and back: the same memory again and again. */
export class HandedBuffers {
  readonly #room: number
  readonly #buffers: ArrayBuffer[] = []

  /** @param room of each, in bytes */
  constructor(room: number) {
    this.#room = room
  }

  /** A buffer that begins with `bytes`, of which there are no more than there is room for. */
  copyOf(bytes: Uint8Array): ArrayBuffer {
    const buffer = this.#buffers.pop() ?? new ArrayBuffer(this.#room)
    new Uint8Array(buffer).set(bytes)
    return buffer
  }

  /** Takes a buffer back. */
  give(buffer: ArrayBuffer): void {
    if (this.#buffers.length < buffersMax) this.#buffers.push(buffer)
  }
}
