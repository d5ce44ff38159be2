import { packBytesTarget, packHeaderBytes } from '../format/pack-codec.ts'

/** As many are in use at once when a writer is busy. */
const sparesMax = 24

/** One byte more than a full pack: reading that byte shows that a file has grown. */
const bufferBytes = packHeaderBytes + packBytesTarget + 1

/** A pool of buffers for packs: a new buffer for each pack would keep the garbage collector busy. */
export class PackBuffers {
  readonly #spares: ArrayBuffer[] = []

  take(): ArrayBuffer {
    return this.#spares.pop() ?? new ArrayBuffer(bufferBytes)
  }

  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === bufferBytes && this.#spares.length < sparesMax) this.#spares.push(buffer)
  }
}
