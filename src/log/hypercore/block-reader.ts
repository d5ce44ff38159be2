import type Hypercore from 'hypercore'
import { holdsBlock } from './core-state.ts'
import { internalsOf } from './internals.ts'

interface PendingRead {
  readonly block: number
  readonly resolve: (bytes: Promise<Uint8Array | null> | Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads blocks of a core. Blocks that are here and are asked for in the same turn of the event loop go to the storage
 * engine as one batch: a read by itself spends ten times as long on the way through the engine's threads as on the answer.
 */
export class BlockReader {
  readonly #core: Hypercore
  #pending: PendingRead[] = []

  constructor(core: Hypercore) {
    this.#core = core
  }

  /** A block, as soon as it is here; `null` if it is missing and the core is a session that doesn't wait. */
  get(block: number): Promise<Uint8Array | null> {
    if (!this.has(block)) return this.#core.get(block)
    return new Promise((resolve, reject) => {
      if (this.#pending.push({ block, resolve, reject }) === 1) setImmediate(() => this.#readPending())
    })
  }

  has(block: number): boolean {
    return holdsBlock(this.#core, block)
  }

  #readPending(): void {
    const pending = this.#pending
    this.#pending = []
    const { state, closing } = internalsOf(this.#core)
    const rx = closing === null ? state?.storage.read() : undefined
    for (const { block, resolve, reject } of pending) {
      // Of a closed core, `get` rejects with the reason; of a block that was cleared meanwhile, it waits for a peer.
      if (rx === undefined) resolve(this.#core.get(block))
      else rx.getBlock(block).then((bytes) => resolve(bytes ?? this.#core.get(block)), reject)
    }
    rx?.tryFlush()
  }
}

/** Several blocks by one batch of the storage engine; `null` for each that isn't here. Nobody is asked for them. */
export function readStored(core: Hypercore, blocks: readonly number[]): Promise<readonly (Uint8Array | null)[]> {
  const rx = internalsOf(core).core.state.storage.read()
  const reading = blocks.map((block) => rx.getBlock(block))
  rx.tryFlush()
  return Promise.all(reading)
}
