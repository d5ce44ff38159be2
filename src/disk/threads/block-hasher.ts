import { withSharedBytes } from './shared-bytes.ts'
import type { Workers } from './workers.ts'

/** Hashes blocks of the log, as it does, in worker threads. */
export class BlockHasher {
  readonly #workers: Workers

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /**
   * @param isOfMany whether a thread more is worth its memory
   * @throws what keeps the threads from it
   */
  async hash(block: Uint8Array, isOfMany: boolean): Promise<Buffer> {
    const hash = await withSharedBytes(block, (bytes) =>
      this.#workers.run('hash-block', { bytes }, { frugal: !isOfMany })
    )
    return Buffer.from(hash)
  }
}
