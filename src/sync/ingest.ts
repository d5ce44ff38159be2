import { chunkBytesMin } from '../chunk/chunker.ts'
import { type LargeChunk, readLarge } from '../disk/large-file.ts'
import { type Chunk, type ReadFile, readChunks, sha256 } from '../disk/read.ts'
import type { State } from '../disk/state.ts'
import type { Workers } from '../disk/workers.ts'
import { PackBuilder, packBytesTarget } from '../format/pack-codec.ts'
import { leafHash } from '../log/leaf-hash.ts'
import type { LogWriter } from '../log/writer.ts'
import { reached } from '../steps.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Extent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Bytes queued before they are appended: few large appends are faster than many small ones. */
const queueBytesMax = 4 * 1024 * 1024
/** Blocks that lie in place have no bytes. */
const queueBlocksMax = 64

/** Where a chunk is, or will be once its pack is full. */
interface Place {
  extent: Extent | undefined
  /** How often files of this batch have it, where it is of this batch. */
  users?: number
}

interface PendingFile {
  readonly read: ReadFile
  readonly places: readonly Place[]
}

/** What a flush has made sure of: contents that are in the log, ready to be named by a version. */
export interface Ingested {
  readonly records: ReadonlyMap<TreePath, BaselineRecord>
  readonly chunks: ReadonlyMap<string, Extent>
}

export interface IngestOptions {
  /** The contents of files larger than this, in bytes, are told of in the log, and stay where they are. */
  readonly inPlaceAbove: number
  readonly workers: Workers
}

/** By what a chunk is found again: one that is a block of its own by its hash in the log, which needs no reading. */
const hashBlock = (bytes: Uint8Array) => leafHash(bytes).toString('hex')
const hashChunk = (bytes: Uint8Array) => (bytes.length < chunkBytesMin ? sha256(bytes) : hashBlock(bytes))

/**
 * Puts the contents of files into the content core: each chunk once, whatever path it comes from.
 * Chunks of small files share a pack; larger ones are a block each, and of large files lie in place.
 */
export class Ingest {
  /** Bytes that went into the log since it was made. */
  stored = 0
  readonly #root: string
  readonly #writer: LogWriter
  readonly #state: State
  readonly #inPlaceAbove: number
  readonly #workers: Workers
  /** Blocks of files that were torn: their bytes are gone, perhaps. */
  #loose: Place[] = []
  #files = new Map<TreePath, PendingFile>()
  #fresh = new Map<string, Place>()
  #queue: (Uint8Array | Promise<Uint8Array>)[] = []
  #queueBytes = 0
  #pack = new PackBuilder()
  #packed: { readonly place: Place; readonly offset: number; readonly length: number }[] = []
  #appending: Promise<void> = Promise.resolve()
  #nextBlock: number

  constructor(root: string, writer: LogWriter, state: State, { inPlaceAbove, workers }: IngestOptions) {
    this.#inPlaceAbove = inPlaceAbove
    this.#workers = workers
    this.#root = root
    this.#writer = writer
    this.#state = state
    this.#nextBlock = writer.content.length
  }

  /** Files that were added since the last flush. */
  get pending(): number {
    return this.#files.size
  }

  /**
   * Reads a file and queues what of it isn't in the log yet. Throws what `readChunks` does; then chunks that were queued
   * stay, and are found again when the file is read next, but for those that were to stay in place.
   */
  async add(path: TreePath, size: number, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
    if (size > this.#inPlaceAbove) return this.#addLarge(path, onBytes, signal)
    const places: Place[] = []
    const chunks = readChunks(this.#root, path, { signal, hashChunk })
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) {
        this.#files.set(path, { read: value, places })
        return
      }
      places.push(await this.#place(value))
      reached('chunk-read')
      onBytes(value.bytes.length)
    }
  }

  async #addLarge(path: TreePath, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
    const places: Place[] = []
    const chunks = readLarge(this.#root, path, { workers: this.#workers, signal })
    try {
      for (;;) {
        const { done, value } = await chunks.next()
        if (done) {
          this.#files.set(path, { read: value, places })
          return
        }
        places.push(await this.#placeLarge(value))
        reached('chunk-read')
        onBytes(value.length)
      }
    } catch (error) {
      await chunks.return(undefined as never).catch(() => {})
      this.#loosen(places)
      throw error
    }
  }

  /** What only a torn file had can't be had from it. */
  #loosen(places: readonly Place[]): void {
    const loose = new Set<Place>()
    for (const place of places) {
      if (place.users === undefined) continue
      place.users--
      if (place.users === 0) loose.add(place)
    }
    for (const [hash, place] of this.#fresh) if (loose.has(place)) this.#fresh.delete(hash)
    this.#loose.push(...loose)
  }

  /** Appends all that is queued. Every file added since the last flush has its content in the log then. */
  async flush(): Promise<Ingested> {
    this.#sealPack()
    this.#append()
    await this.#appending
    const records = new Map<TreePath, BaselineRecord>()
    for (const [path, { read, places }] of this.#files) {
      const { signature, ...content } = read
      const extents = joinExtents(places.map(({ extent }) => extent as Extent))
      records.set(path, { entry: { type: 'file', ...content, extents }, signature })
    }
    const chunks = new Map<string, Extent>()
    for (const [hash, { extent }] of this.#fresh) chunks.set(hash, extent as Extent)
    const held = new Set([...this.#fresh.values()].map(({ extent }) => (extent as Extent).block))
    await this.#writer.release(
      this.#loose.map(({ extent }) => extent as Extent),
      (block) => held.has(block)
    )
    this.#loose = []
    this.#files = new Map()
    this.#fresh = new Map()
    return { records, chunks }
  }

  async #place({ bytes, hash }: Chunk): Promise<Place> {
    const known = await this.#known(hash)
    if (known !== undefined) return known
    const place = this.#newPlace(hash)
    if (bytes.length < chunkBytesMin) this.#addToPack(bytes, place)
    else place.extent = this.#enqueue(Buffer.from(bytes), bytes.length, false)
    await this.#drain()
    return place
  }

  async #placeLarge({ length, hash }: LargeChunk): Promise<Place> {
    const key = hash.toString('hex')
    const known = await this.#known(key)
    if (known !== undefined) return known
    const place = this.#newPlace(key)
    const block = this.#nextBlock++
    this.#queue.push(this.#writer.places.placeholder(length, hash))
    place.extent = { block, blocks: 1, offset: 0, length, packed: false }
    await this.#drain()
    return place
  }

  #newPlace(hash: string): Place {
    const place = { extent: undefined, users: 1 }
    this.#fresh.set(hash, place)
    return place
  }

  async #drain(): Promise<void> {
    if (this.#queueBytes < queueBytesMax && this.#queue.length < queueBlocksMax) return
    this.#append()
    await this.#appending
  }

  async #known(hash: string): Promise<Place | undefined> {
    const fresh = this.#fresh.get(hash)
    if (fresh !== undefined) return used(fresh)
    const extent = await this.#state.chunk(hash)
    const isThere = extent !== undefined && (await this.#writer.has(extent))
    // While the database was asked, the same chunk may have come from another file.
    const meanwhile = this.#fresh.get(hash)
    if (meanwhile !== undefined) return used(meanwhile)
    return isThere ? { extent } : undefined
  }

  #addToPack(bytes: Uint8Array, place: Place): void {
    if (this.#pack.bytes + bytes.length > packBytesTarget) this.#sealPack()
    this.#packed.push({ place, offset: this.#pack.add(bytes), length: bytes.length })
  }

  #sealPack(): void {
    if (this.#packed.length === 0) return
    const { block } = this.#enqueue(this.#pack.encode(), this.#pack.bytes, true)
    for (const { place, offset, length } of this.#packed) {
      place.extent = { block, blocks: 1, offset, length, packed: true }
    }
    this.#packed = []
    this.#pack = new PackBuilder()
  }

  #enqueue(block: Uint8Array | Promise<Uint8Array>, length: number, packed: boolean): Extent {
    // Compression that fails is met when the queue is appended; until then it must not end the process.
    if (block instanceof Promise) block.catch(() => {})
    this.#queue.push(block)
    this.#queueBytes += length
    return { block: this.#nextBlock++, blocks: 1, offset: 0, length, packed }
  }

  #append(): void {
    if (this.#queue.length === 0) return
    const queue = this.#queue
    this.#queue = []
    this.#queueBytes = 0
    this.#appending = this.#appending.then(async () => {
      const blocks = await Promise.all(queue)
      await this.#writer.appendBlocks(blocks)
      reached('blocks-appended')
      for (const block of blocks) this.stored += block.length
    })
    this.#appending.catch(() => {}) // Whoever waits for it gets it; this instance is of no use then.
  }
}

function used(place: Place): Place {
  if (place.users !== undefined) place.users++
  return place
}

/** Joins extents that follow each other block by block into one. */
export function joinExtents(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = []
  for (const extent of extents) {
    const last = joined.at(-1)
    const follows = last !== undefined && !last.packed && !extent.packed && last.block + last.blocks === extent.block
    if (!follows) joined.push(extent)
    else
      joined[joined.length - 1] = { ...last, blocks: last.blocks + extent.blocks, length: last.length + extent.length }
  }
  return joined
}
