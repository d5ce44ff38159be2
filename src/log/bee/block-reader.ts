import type Hypercore from 'hypercore'

interface Asked {
  readonly seq: number
  readonly resolve: (bytes: Promise<Uint8Array | null> | Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads blocks of a core. Those that are asked for at once, and are here, are had by one question to the storage engine:
 * each by itself takes a way through its threads, which is ten times as long as the answer takes.
 */
export class BlockReader {
  readonly #core: Hypercore
  #asked: Asked[] = []

  constructor(core: Hypercore) {
    this.#core = core
  }

  /** A block, as soon as it is here; `null` where it isn't and isn't to be waited for. */
  get(seq: number): Promise<Uint8Array | null> {
    if (!this.has(seq)) return this.#core.get(seq)
    return new Promise((resolve, reject) => {
      // Others may be asked for in the same turn.
      if (this.#asked.push({ seq, resolve, reject }) === 1) setImmediate(() => this.#ask())
    })
  }

  /** Whether a block is here. */
  has(seq: number): boolean {
    const { core, opened } = this.#core
    return opened && core.bitfield.get(seq)
  }

  #ask(): void {
    const asked = this.#asked
    this.#asked = []
    const { state, closing } = this.#core
    // It tells what became of it.
    const rx = closing === null ? state?.storage.read() : undefined
    for (const { seq, resolve, reject } of asked) {
      if (rx === undefined) resolve(this.#core.get(seq))
      else rx.getBlock(seq).then((bytes) => resolve(bytes ?? this.#core.get(seq)), reject)
    }
    rx?.tryFlush()
  }
}
