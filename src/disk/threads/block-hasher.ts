import { withSharedBytes } from './shared-bytes.ts'
import type { Workers } from './workers.ts'

/** Hashes blocks in worker threads, with the hash of Hypercore's tree. */
export class BlockHasher {
  readonly #workers: Workers

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /**
   * @param isOfMany whether many blocks follow, so that another thread is worth its memory
   * @throws as `Workers.run`
   */
  async hash(block: Uint8Array, isOfMany: boolean): Promise<Buffer> {
    const options = { frugal: !isOfMany }
    const hash = await withSharedBytes(block, (bytes) => this.#workers.run('hash-block', { bytes }, options))
    return Buffer.from(hash)
  }
}
