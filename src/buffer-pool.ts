/** Pieces that nobody used for so long are let go. */
const idleMs = 10_000

export interface BufferPoolOptions {
  /** How much there is at most, in bytes; what is lent beyond it is memory like any other. */
  readonly bytesMax: number
  /**
   * Whether worker threads may see it. Copying into it takes longer, and native modules may take it for something else:
   * sodium-native's encryption reads and writes wherever it was told to before.
   */
  readonly shared?: boolean
}

interface Loan {
  readonly owner: BufferPool
  readonly length: number
  /** Whether it may be given back. */
  isWhole: boolean
}

const loans = new WeakMap<ArrayBufferLike, Loan>()

/**
 * Memory that is used again and again for what passes through. Made anew for each block of a file, it has the garbage
 * collector go through all that is alive every few megabytes, as what lies outside its heap counts too: a quarter of
 * the time that a large file took. What is shared doesn't count, and so is never made without a bound.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions
  /** By their sizes, which are powers of two: Hypercore copies a block that takes up less than half of its memory. */
  readonly #spares = new Map<number, ArrayBufferLike[]>()
  /** What there is, as far as the garbage collector has told. */
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
   * A buffer of so many bytes, whatever they are, until it is given back; or for good, if it isn't.
   *
   * @param options.inParts whether others will have parts of it: it can't be given back before it was `reunited`
   */
  lend(length: number, { inParts = false }: { readonly inParts?: boolean } = {}): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(1, length)))
    const piece = this.#spares.get(size)?.pop() ?? this.#make(size)
    if (piece === undefined) return Buffer.allocUnsafeSlow(length)
    this.#wasUsed = true
    loans.set(piece, { owner: this, length, isWhole: !inParts })
    return Buffer.from(piece, 0, length)
  }

  #make(size: number): ArrayBufferLike | undefined {
    if (this.#bytes + size > this.#options.bytesMax) return undefined
    this.#bytes += size
    const piece = this.#options.shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
    this.#collected.register(piece, size)
    return piece
  }

  /** Takes back what nobody looks at any more; see `giveBack`. */
  take(piece: ArrayBufferLike): void {
    const spares = this.#spares.get(piece.byteLength)
    if (spares === undefined) this.#spares.set(piece.byteLength, [piece])
    else spares.push(piece)
    this.#timer ??= setTimeout(() => this.#rest(), idleMs).unref()
  }

  #rest(): void {
    this.#timer = undefined
    if (this.#wasUsed) this.#timer = setTimeout(() => this.#rest(), idleMs).unref()
    else this.#spares.clear()
    this.#wasUsed = false
  }
}

/** The whole buffer that was lent of which `bytes` are a part; `undefined` where they are of none. */
export function lentWith(bytes: Uint8Array): Buffer | undefined {
  const loan = loans.get(bytes.buffer)
  return loan && Buffer.from(bytes.buffer, 0, loan.length)
}

/** Says that of all that was lent in parts, nobody looks at anything but `bytes`. */
export function reunited(bytes: Uint8Array): void {
  const loan = loans.get(bytes.buffer)
  if (loan !== undefined) loan.isWhole = true
}

/**
 * Gives back the buffer that `bytes` are a part of, if one was lent: whoever calls this vouches that nobody looks at any
 * of it from now on. Who isn't sure leaves it to the garbage collector.
 */
export function giveBack(bytes: Uint8Array): void {
  const loan = loans.get(bytes.buffer)
  if (loan?.isWhole !== true) return
  loans.delete(bytes.buffer)
  loan.owner.take(bytes.buffer)
}
