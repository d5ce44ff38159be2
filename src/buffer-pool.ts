/** The pool frees its spare memory after this time without a loan, in milliseconds. */
const idleMs = 10_000

export interface BufferPoolOptions {
  /** The size of the pool, in bytes; buffers beyond it are ordinary memory. */
  readonly bytesMax: number
  /**
   * Whether the memory is shared with worker threads. Copying into shared memory is slower, and native modules may
   * mishandle it: sodium-native's encryption reads and writes at the address of an earlier buffer.
   */
  readonly shared?: boolean
}

interface Loan {
  readonly owner: BufferPool
  readonly length: number
  /** Whether one holder has all of it, so that it may be given back. */
  isWhole: boolean
}

const loans = new WeakMap<ArrayBufferLike, Loan>()

/**
 * Reuses memory for bytes in transit. With new memory for each block of a file, the garbage collector, which counts
 * memory outside its heap too, runs every few megabytes: this took a quarter of the time of a large file. It doesn't
 * count shared memory at all, so the pool has a bound.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions
  /** By size, a power of two: Hypercore copies a block that takes up less than half of its memory. */
  readonly #spares = new Map<number, ArrayBufferLike[]>()
  /** The memory made and not yet collected, in bytes. */
  #bytes = 0
  readonly #collected = new FinalizationRegistry<number>((bytes) => {
    this.#bytes -= bytes
  })
  #timer: NodeJS.Timeout | undefined
  #wasUsed = false

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /**
   * A buffer of `length` bytes, uninitialized. The borrower keeps it until it calls `giveBack`, or for good.
   *
   * @param options.inParts whether several holders will share it: it can't be given back before `reunited`
   */
  lend(length: number, { inParts = false }: { readonly inParts?: boolean } = {}): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(1, length)))
    const memory = this.#spares.get(size)?.pop() ?? this.#make(size)
    if (memory === undefined) return Buffer.allocUnsafeSlow(length)
    this.#wasUsed = true
    loans.set(memory, { owner: this, length, isWhole: !inParts })
    return Buffer.from(memory, 0, length)
  }

  #make(size: number): ArrayBufferLike | undefined {
    if (this.#bytes + size > this.#options.bytesMax) return undefined
    this.#bytes += size
    const memory = this.#options.shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
    this.#collected.register(memory, size)
    return memory
  }

  /** Takes back memory without holders; see `giveBack`. */
  take(memory: ArrayBufferLike): void {
    const spares = this.#spares.get(memory.byteLength)
    if (spares === undefined) this.#spares.set(memory.byteLength, [memory])
    else spares.push(memory)
    this.#timer ??= setTimeout(() => this.#freeIdle(), idleMs).unref()
  }

  #freeIdle(): void {
    this.#timer = undefined
    if (this.#wasUsed) this.#timer = setTimeout(() => this.#freeIdle(), idleMs).unref()
    else this.#spares.clear()
    this.#wasUsed = false
  }
}

/** The whole lent buffer that contains `bytes`; `undefined` for other memory. */
export function lentWith(bytes: Uint8Array): Buffer | undefined {
  const loan = loans.get(bytes.buffer)
  return loan && Buffer.from(bytes.buffer, 0, loan.length)
}

/** Declares that the holder of `bytes` is the only one left of a buffer lent in parts. */
export function reunited(bytes: Uint8Array): void {
  const loan = loans.get(bytes.buffer)
  if (loan !== undefined) loan.isWhole = true
}

/**
 * Gives back the lent buffer that contains `bytes`; does nothing for other memory. The caller vouches that nobody uses
 * any of the buffer from now on. In doubt, leave the buffer to the garbage collector.
 */
export function giveBack(bytes: Uint8Array): void {
  const loan = loans.get(bytes.buffer)
  if (loan?.isWhole !== true) return
  loans.delete(bytes.buffer)
  loan.owner.take(bytes.buffer)
}
