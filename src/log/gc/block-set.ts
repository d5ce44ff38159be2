/** Blocks of a page: 4 KiB of bits. */
const pageBits = 2 ** 15

/** A run of blocks, `end` excluded. */
export interface BlockRun {
  readonly start: number
  readonly end: number
}

/**
 * A set of blocks, by one bit each. Only pages with a block in them take memory: indexes come from logs, which may
 * claim any.
 */
export class BlockSet {
  readonly #pages = new Map<number, Uint8Array>()

  add(block: number): void {
    const page = Math.floor(block / pageBits)
    let bits = this.#pages.get(page)
    if (bits === undefined) {
      bits = new Uint8Array(pageBits / 8)
      this.#pages.set(page, bits)
    }
    const at = block % pageBits
    bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7))
  }

  has(block: number): boolean {
    const bits = this.#pages.get(Math.floor(block / pageBits))
    const at = block % pageBits
    return bits !== undefined && ((bits[at >> 3] as number) & (1 << (at & 7))) !== 0
  }

  /** Removes a run of blocks, of which any may be in the set. */
  remove({ start, end }: BlockRun): void {
    const [first, last] = [Math.floor(start / pageBits), Math.floor((end - 1) / pageBits)]
    // A log may claim a run that is longer than the set.
    const pages = last - first < this.#pages.size ? range(first, last) : [...this.#pages.keys()]
    for (const page of pages) {
      const bits = this.#pages.get(page)
      if (bits === undefined || page < first || page > last) continue
      const from = Math.max(start - page * pageBits, 0)
      const to = Math.min(end - page * pageBits, pageBits)
      for (let at = from; at < to; at++) {
        if ((at & 7) === 0 && to - at >= 8) {
          bits[at >> 3] = 0
          at += 7
        } else bits[at >> 3] = (bits[at >> 3] as number) & ~(1 << (at & 7))
      }
    }
  }

  /** The blocks as runs in ascending order; a run ends with its page. */
  *runs(): Generator<BlockRun> {
    for (const page of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const bits = this.#pages.get(page) as Uint8Array
      const offset = page * pageBits
      let start = -1
      for (let at = 0; at <= pageBits; at++) {
        // None of the next eight, and no run to end.
        if ((at & 7) === 0 && at < pageBits && start < 0 && bits[at >> 3] === 0) {
          at += 7
          continue
        }
        const isIn = at < pageBits && ((bits[at >> 3] as number) & (1 << (at & 7))) !== 0
        if (isIn && start < 0) start = at
        if (!isIn && start >= 0) {
          yield { start: offset + start, end: offset + at }
          start = -1
        }
      }
    }
  }
}

function* range(first: number, last: number): Generator<number> {
  for (let page = first; page <= last; page++) yield page
}
