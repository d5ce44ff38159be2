import { type Lane, nextSumId, type Workers } from '../threads/workers.ts'
import { TornRead } from './read.ts'

const hashBytes = 32
/** Groups of chunks being hashed at the same time. */
const aheadMax = 4
/** Expected chunks hashed by one job. */
const groupMax = 16
/** After this many bytes without a previous chunk the search for one ends. */
const huntBytesMax = 64 * 1024 * 1024

/** A chunk of a large file, without its bytes. */
export interface LargeChunk {
  readonly length: number
  /** Its hash in the log's tree. */
  readonly hash: Buffer
}

export interface FindOptions {
  readonly workers: Workers
  readonly signal: AbortSignal
  /** The chunks of the file's previous content. */
  readonly before: readonly LargeChunk[]
}

/**
 * Finds the chunks and the SHA-256 of a file. Cutting takes as long as hashing, so after a chunk of the previous content
 * it expects the chunks that followed it then, and only hashes them. The end of a chunk depends only on its own bytes,
 * so the result is the same as by cutting.
 */
export class ChunkFinder {
  readonly #fd: number
  readonly #size: number
  readonly #options: FindOptions
  readonly #lane: Lane
  readonly #id = nextSumId()
  readonly #jobs = new Set<Promise<unknown>>()
  /** The end of the chunks found so far. */
  #offset = 0
  /** The end of the bytes that the sum has, or has been asked to take. */
  #summed = 0
  #isSumTaken = false
  /** The error that makes the sum invalid. */
  #failure: unknown

  constructor(fd: number, size: number, options: FindOptions) {
    this.#fd = fd
    this.#size = size
    this.#options = options
    this.#lane = options.workers.lane()
  }

  /** The chunks in order. @throws {TornRead} if the file became shorter */
  async *chunks(): AsyncGenerator<LargeChunk, void> {
    const { before } = this.#options
    if (before.length > 0) {
      yield* this.#expected(0)
      yield* this.#hunt()
    }
    yield* this.#cutAll()
  }

  /** The SHA-256 of the file, after all chunks were found. Rejects as `chunks` does. */
  async sum(): Promise<string> {
    this.#isSumTaken = true
    const hash = await this.#note(this.#lane.run('take-sum', { id: this.#id }))
    if (this.#failure !== undefined) throw this.#failure
    return hash
  }

  /** Resolves when no thread reads from the file any more. */
  async close(): Promise<void> {
    if (!this.#isSumTaken) this.sum().catch(() => {})
    this.#lane.release()
    await Promise.allSettled(this.#jobs)
  }

  /** The previous chunks from index `first` on, as long as the file still has them. */
  async *#expected(first: number): AsyncGenerator<LargeChunk, void> {
    const { signal } = this.#options
    const ahead: { readonly group: readonly LargeChunk[]; readonly found: Promise<LargeChunk[]> }[] = []
    let next = first
    let end = this.#offset
    for (;;) {
      while (ahead.length < aheadMax) {
        const group = this.#group(next, end)
        if (group.length === 0) break
        const lengths = group.map(({ length }) => length)
        ahead.push({ group, found: this.#hash(end, lengths) })
        for (const length of lengths) end += length
        next += group.length
        this.#sumUpTo(end)
      }
      const oldest = ahead.shift()
      if (oldest === undefined) return
      for (const [i, chunk] of (await oldest.found).entries()) {
        signal.throwIfAborted()
        if (!chunk.hash.equals((oldest.group[i] as LargeChunk).hash)) return
        this.#offset += chunk.length
        yield chunk
      }
    }
  }

  /** The previous chunks expected at an offset, from index `first` on. The last one must end with the file. */
  #group(first: number, offset: number): LargeChunk[] {
    const { before } = this.#options
    const group: LargeChunk[] = []
    for (let i = first, end = offset; i < before.length && group.length < groupMax; i++) {
      const chunk = before[i] as LargeChunk
      end += chunk.length
      if (end > this.#size || (i === before.length - 1 && end !== this.#size)) break
      group.push(chunk)
    }
    return group
  }

  /** Cuts until it finds a previous chunk, and continues with the chunks that followed it. */
  async *#hunt(): AsyncGenerator<LargeChunk, void> {
    const indexes = new Map(this.#options.before.map(({ hash }, i) => [hash.toString('hex'), i]))
    let hunted = 0
    while (this.#offset < this.#size && hunted < huntBytesMax) {
      this.#options.signal.throwIfAborted()
      const chunks = await this.#hash(this.#offset, await this.#cut(this.#offset))
      let last: number | undefined
      for (const chunk of chunks) {
        this.#offset += chunk.length
        hunted += chunk.length
        last = indexes.get(chunk.hash.toString('hex'))
        yield chunk
      }
      if (last === undefined) continue
      const found = this.#offset
      yield* this.#expected(last + 1)
      // A chunk that occurs many times may have no expected successor here.
      if (this.#offset > found) hunted = 0
    }
  }

  /** Cuts the rest of the file: cuts one window while it hashes the previous ones. */
  async *#cutAll(): AsyncGenerator<LargeChunk, void> {
    const { signal } = this.#options
    const ahead: Promise<LargeChunk[]>[] = []
    let end = this.#offset
    let next = end < this.#size ? this.#cut(end) : undefined
    while (next !== undefined) {
      signal.throwIfAborted()
      const lengths = await next
      const at = end
      for (const length of lengths) end += length
      next = end < this.#size ? this.#cut(end) : undefined
      ahead.push(this.#hash(at, lengths))
      if (ahead.length >= aheadMax) yield* await (ahead.shift() as Promise<LargeChunk[]>)
    }
    for (const some of ahead) yield* await some
  }

  /** The lengths of the next chunks from `offset`, where one begins. */
  async #cut(offset: number): Promise<readonly number[]> {
    const cutting = this.#options.workers.run('cut-chunks', { fd: this.#fd, offset, size: this.#size })
    const lengths = await this.#note(cutting)
    if (lengths.length === 0) throw tornShorter()
    this.#sumUpTo(lengths.reduce((end, length) => end + length, offset))
    return lengths
  }

  #hash(offset: number, lengths: readonly number[]): Promise<LargeChunk[]> {
    const hashing = this.#options.workers.run('hash-chunks', { fd: this.#fd, offset, lengths })
    return this.#note(hashing.then((hashes) => chunksOf(lengths, hashes)))
  }

  #sumUpTo(end: number): void {
    if (end <= this.#summed) return
    const request = { id: this.#id, fd: this.#fd, offset: this.#summed, length: end - this.#summed }
    this.#summed = end
    this.#note(this.#lane.run('sum-range', request)).then(
      (isWhole) => {
        if (!isWhole) this.#failure ??= tornShorter()
      },
      (error: unknown) => {
        this.#failure ??= error
      }
    )
  }

  #note<T>(job: Promise<T>): Promise<T> {
    this.#jobs.add(job)
    job.catch(() => {}).finally(() => this.#jobs.delete(job))
    return job
  }
}

function tornShorter(): TornRead {
  return new TornRead('It became shorter while it was read')
}

function chunksOf(lengths: readonly number[], hashes: Uint8Array): LargeChunk[] {
  return lengths.map((length, i) => ({
    length,
    hash: Buffer.from(hashes.buffer, hashes.byteOffset + i * hashBytes, hashBytes)
  }))
}
