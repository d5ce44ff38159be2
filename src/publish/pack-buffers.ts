import { packBytesTarget, packHeaderBytes } from '../format/pack-codec.ts'

/** Kept for the next; as many are at work when a writer is busy. */
const sparesMax = 24

/** So large that a file which fills the pack to the end can be read with a byte more. */
const bufferBytes = packHeaderBytes + packBytesTarget + 1

/** Buffers for packs, used again and again: what is made anew for each has the garbage collector at work without end. */
export class PackBuffers {
  readonly #spares: ArrayBuffer[] = []

  take(): ArrayBuffer {
    return this.#spares.pop() ?? new ArrayBuffer(bufferBytes)
  }

  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === bufferBytes && this.#spares.length < sparesMax) this.#spares.push(buffer)
  }
}
