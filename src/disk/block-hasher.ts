import { chunkBytesMax } from '../chunk/chunker.ts'
import { HandedBuffers } from './handed-buffers.ts'
import type { Workers } from './workers.ts'

/** Hashes blocks of the log, as it does, in worker threads. */
export class BlockHasher {
  readonly #workers: Workers
  readonly #buffers = new HandedBuffers(chunkBytesMax)

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** @throws what keeps the threads from it; {RangeError} for a block that is too large for one of ours */
  async hash(block: Uint8Array): Promise<Buffer> {
    const buffer = this.#buffers.copyOf(block)
    const answer = await this.#workers.run('hash-block', { buffer, length: block.length }, { transfer: [buffer] })
    this.#buffers.give(answer.buffer)
    return Buffer.from(answer.hash)
  }
}
