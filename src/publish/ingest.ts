import { chunkBytesMin } from '../chunk/chunker.ts'
import type { LargeChunk } from '../disk/read/find-chunks.ts'
import { readLarge } from '../disk/read/large-file.ts'
import { type Chunk, type ReadFile, readChunks, sha256 } from '../disk/read/read.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import { reached } from '../failpoints.ts'
import { isCompressible, PackBuilder, packBytesTarget, packHeaderBytes } from '../format/pack-codec.ts'
import { leafHash } from '../log/hypercore/leaf-hash.ts'
import type { LogWriter } from '../log/writer.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry, Extent, FileEntry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { PackBuffers } from './pack-buffers.ts'

/** Bytes to queue before an append: few large appends are faster than many small ones. */
const queueBytesMax = 4 * 1024 * 1024
/** Blocks to queue before an append. Blocks that stay in place have no bytes, so `queueBytesMax` doesn't bound them. */
const queueBlocksMax = 64

/** Contents of at least this many bytes make a pack of their own; smaller ones join a shared pack. */
const ownPackBytesMin = packBytesTarget / 2

/** The place of a chunk in the log. */
interface Place {
  /** `undefined` until its pack is full. */
  extent: Extent | undefined
  /** How often files of this batch use the chunk, if this batch stores it. */
  users?: number
}

/** A content's position in a pack. */
interface Packed {
  readonly place: Place
  readonly offset: number
  readonly length: number
}

interface PendingFile {
  readonly read: ReadFile
  readonly places: readonly Place[]
}

/** A small file that was read into a buffer. */
export type SmallFileContent = ReadFile & { readonly path: TreePath; readonly offset: number }

/** A block to append. */
interface Queued {
  readonly block: Uint8Array | Promise<Uint8Array>
  /** The buffer to return to the pool after the append. */
  readonly buffer?: ArrayBuffer | undefined
}

/** The result of a flush: files and chunks whose content is in the log, so that a version can reference them. */
export interface Ingested {
  readonly records: ReadonlyMap<TreePath, BaselineRecord>
  readonly chunks: ReadonlyMap<string, Extent>
}

export interface AddOptions {
  /** The recorded entry of the path. */
  readonly before: Entry | undefined
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

export interface IngestOptions {
  /** Contents of files larger than this, in bytes, stay in the files; the log stores only their hashes. */
  readonly inPlaceAbove: number
  readonly workers: Workers
  readonly buffers: PackBuffers
}

/** The number of chunks per file that may be compressed, about 128 MiB. */
const packedChunksMax = 256

/** The number of an earlier version's chunks to hold in memory, which cover about 32 GB. */
const expectedMax = 65_536

/**
 * The key of a chunk for deduplication. For a chunk that is a block of its own, it is the block's hash in the log,
 * which is known without reading the block.
 */
const hashBlock = (bytes: Uint8Array) => leafHash(bytes).toString('hex')
const hashChunk = (bytes: Uint8Array) => (bytes.length < chunkBytesMin ? sha256(bytes) : hashBlock(bytes))

/**
 * Puts the contents of files into the content core, each distinct chunk once. Chunks of small files share a pack;
 * larger chunks are a block each, compressed where that pays; chunks of large files stay in place.
 */
export class Ingest {
  /** Bytes that this instance has appended to the log. */
  stored = 0
  readonly #root: string
  readonly #writer: LogWriter
  readonly #state: State
  readonly #inPlaceAbove: number
  readonly #workers: Workers
  readonly #buffers: PackBuffers
  /** Places used only by files that changed while being read: their bytes may no longer exist. */
  #orphans: Place[] = []
  #files = new Map<TreePath, PendingFile>()
  #fresh = new Map<string, Place>()
  #queue: Queued[] = []
  #queueBytes = 0
  #pack = new PackBuilder()
  #packed: Packed[] = []
  #appending: Promise<void> = Promise.resolve()
  /** The index of the next block to queue; `undefined` after a flush, when the log's length gives it. */
  #nextBlock: number | undefined

  constructor(root: string, writer: LogWriter, state: State, { inPlaceAbove, workers, buffers }: IngestOptions) {
    this.#buffers = buffers
    this.#inPlaceAbove = inPlaceAbove
    this.#workers = workers
    this.#root = root
    this.#writer = writer
    this.#state = state
  }

  /** The number of files added since the last flush. */
  get pending(): number {
    return this.#files.size
  }

  /**
   * Reads a file and queues its chunks that aren't in the log yet. After an error, queued chunks remain and are found
   * when the file is read again, except those that were to stay in place.
   *
   * @throws the errors of `readChunks` and `readLarge`
   */
  async add(path: TreePath, size: number, { before, onBytes, signal }: AddOptions): Promise<void> {
    if (size > this.#inPlaceAbove) return this.#addLarge(path, { before, onBytes, signal })
    const places: Place[] = []
    const chunks = readChunks(this.#root, path, { signal, hashChunk })
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) {
        this.#files.set(path, { read: value, places })
        return
      }
      places.push(await this.#place(value, places.length >= packedChunksMax))
      reached('chunk-read')
      onBytes(value.bytes.length)
    }
  }

  /**
   * Queues the contents of small files that aren't in the log yet.
   *
   * @param buffer holds the contents, behind room for a pack's header; the caller must not use it any more
   */
  async addSmall(files: readonly SmallFileContent[], buffer: ArrayBuffer): Promise<void> {
    const unknown = new Set<string>()
    for (const { hash, size } of files) if (size > 0 && !this.#fresh.has(hash)) unknown.add(hash)
    const stored = await this.#stored([...unknown])
    const fresh: Packed[] = []
    for (const { path, offset, ...read } of files) {
      reached('chunk-read')
      const places: Place[] = []
      if (read.size > 0) {
        const known = this.#fresh.get(read.hash)
        const extent = stored.get(read.hash)
        if (known !== undefined) places.push(used(known))
        else if (extent !== undefined) places.push({ extent })
        else {
          const place = this.#newPlace(read.hash)
          places.push(place)
          fresh.push({ place, offset, length: read.size })
        }
      }
      this.#files.set(path, { read, places })
    }
    this.#packUp(fresh, buffer)
    await this.#drain()
  }

  /** The extents of those chunks that are already in the log, by hash. */
  async #stored(hashes: readonly string[]): Promise<ReadonlyMap<string, Extent>> {
    const stored = new Map(await this.#state.chunks(hashes))
    for (const [hash, extent] of stored) if (!(await this.#writer.has(extent))) stored.delete(hash)
    return stored
  }

  /** Turns the buffer itself into a pack, or copies the contents to the shared pack if they are too few. */
  #packUp(contents: readonly Packed[], buffer: ArrayBuffer): void {
    const bytes = new Uint8Array(buffer)
    if (contents.reduce((sum, { length }) => sum + length, 0) < ownPackBytesMin) {
      for (const { place, offset, length } of contents) this.#addToPack(bytes.subarray(offset, offset + length), place)
      this.#buffers.give(buffer)
      return
    }
    let end = packHeaderBytes
    const packed = contents.map(({ place, offset, length }) => {
      // Close the gap of contents that are already in the log.
      if (offset !== end) bytes.copyWithin(end, offset, offset + length)
      end += length
      return { place, offset: end - length - packHeaderBytes, length }
    })
    this.#enqueuePack(PackBuilder.over(buffer, end - packHeaderBytes), packed, buffer)
  }

  async #addLarge(path: TreePath, { before, onBytes, signal }: AddOptions): Promise<void> {
    const places: Place[] = []
    const expected = before?.type === 'file' ? await this.#chunksOf(before) : []
    const chunks = readLarge(this.#root, path, { workers: this.#workers, signal, before: expected })
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
      this.#orphan(places)
      throw error
    }
  }

  /** The chunks of an earlier version from its first byte on, as far as each is a block of its own. */
  async #chunksOf({ extents }: FileEntry): Promise<readonly LargeChunk[]> {
    const chunks: LargeChunk[] = []
    for (const { block, blocks, offset, length, packed } of extents) {
      if (packed || offset > 0 || chunks.length + blocks > expectedMax) break
      const leaves = await this.#writer.places.leavesOf(block, blocks)
      if (leaves.reduce((sum, { size }) => sum + size, 0) !== length) break
      for (const { size, hash } of leaves) chunks.push({ length: size, hash })
    }
    return chunks
  }

  /** Drops the uses of a file that changed while being read. Places without any other use can't be referenced. */
  #orphan(places: readonly Place[]): void {
    const orphans = new Set<Place>()
    for (const place of places) {
      if (place.users === undefined) continue
      place.users--
      if (place.users === 0) orphans.add(place)
    }
    for (const [hash, place] of this.#fresh) if (orphans.has(place)) this.#fresh.delete(hash)
    this.#orphans.push(...orphans)
  }

  /** Appends the queue, so that every file added since the last flush has its content in the log. */
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
      this.#orphans.map(({ extent }) => extent as Extent),
      ({ index }) => held.has(index)
    )
    this.#nextBlock = undefined
    this.#orphans = []
    this.#files = new Map()
    this.#fresh = new Map()
    return { records, chunks }
  }

  async #place({ bytes, hash }: Chunk, ofMany: boolean): Promise<Place> {
    const known = await this.#known(hash, await this.#extentOf(hash))
    if (known !== undefined) return known
    const place = this.#newPlace(hash)
    if (bytes.length < chunkBytesMin) this.#addToPack(bytes, place)
    else place.extent = this.#enqueueChunk(bytes, ofMany)
    await this.#drain()
    return place
  }

  /**
   * @param ofMany whether the file has many chunks already; then the chunk isn't compressed, since a compressed chunk needs
   *   an extent of its own, whereas others share one
   */
  #enqueueChunk(bytes: Uint8Array, ofMany: boolean): Extent {
    if (ofMany || !isCompressible(bytes)) return this.#enqueue(Buffer.from(bytes), bytes.length, false)
    const pack = new PackBuilder()
    pack.add(bytes)
    return this.#enqueue(pack.encode(), bytes.length, true)
  }

  async #placeLarge({ length, hash }: LargeChunk): Promise<Place> {
    const key = hash.toString('hex')
    const stored = await this.#extentOf(key)
    const known = (await this.#known(key, stored)) ?? (await this.#reclaimed(key, stored, { length, hash }))
    if (known !== undefined) return known
    const place = this.#newPlace(key)
    const block = this.#takeIndex()
    this.#queue.push({ block: this.#writer.places.placeholder(length, hash) })
    place.extent = { core: this.#writer.core, block, blocks: 1, offset: 0, length, packed: false }
    await this.#drain()
    return place
  }

  /** Reuses a released block whose content a file has again. */
  async #reclaimed(key: string, extent: Extent | undefined, { length, hash }: LargeChunk): Promise<Place | undefined> {
    if (extent === undefined || extent.packed) return undefined
    const isReclaimed = await this.#writer.places.reclaim(extent.block, length, hash)
    const meanwhile = this.#fresh.get(key)
    if (meanwhile !== undefined) return used(meanwhile)
    if (!isReclaimed) return undefined
    const place = this.#newPlace(key)
    place.extent = extent
    return place
  }

  #newPlace(hash: string): Place {
    const place: Place = { extent: undefined, users: 1 }
    this.#fresh.set(hash, place)
    return place
  }

  /** Appends the queue when it is long enough and the previous append is done. */
  async #drain(): Promise<void> {
    while (this.#queueBytes >= queueBytesMax || this.#queue.length >= queueBlocksMax) {
      const before = this.#appending
      await before
      if (before === this.#appending) this.#append()
    }
  }

  /** The extent of a chunk stored before this batch, if any. */
  async #extentOf(hash: string): Promise<Extent | undefined> {
    return this.#fresh.has(hash) ? undefined : this.#state.chunk(hash)
  }

  async #known(hash: string, extent: Extent | undefined): Promise<Place | undefined> {
    const fresh = this.#fresh.get(hash)
    if (fresh !== undefined) return used(fresh)
    const isThere = extent !== undefined && (await this.#writer.has(extent))
    // Another file may have queued the same chunk during the lookup.
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
    this.#enqueuePack(this.#pack, this.#packed)
    this.#packed = []
    this.#pack = new PackBuilder()
  }

  #enqueuePack(pack: PackBuilder, contents: readonly Packed[], buffer?: ArrayBuffer): void {
    const { block } = this.#enqueue(pack.encode(), pack.bytes, true, buffer)
    for (const { place, offset, length } of contents) {
      place.extent = { core: this.#writer.core, block, blocks: 1, offset, length, packed: true }
    }
  }

  /** @param buffer holds the block; returned to the pool after the append */
  #enqueue(block: Uint8Array | Promise<Uint8Array>, length: number, packed: boolean, buffer?: ArrayBuffer): Extent {
    // `#append` handles a failed compression; until then the rejection must not end the process.
    if (block instanceof Promise) block.catch(() => {})
    this.#queue.push({ block, buffer })
    this.#queueBytes += length
    return { core: this.#writer.core, block: this.#takeIndex(), blocks: 1, offset: 0, length, packed }
  }

  #takeIndex(): number {
    const index = this.#nextBlock ?? this.#writer.content.length
    this.#nextBlock = index + 1
    return index
  }

  #append(): void {
    if (this.#queue.length === 0) return
    const queue = this.#queue
    const first = (this.#nextBlock as number) - queue.length
    this.#queue = []
    this.#queueBytes = 0
    this.#appending = this.#appending.then(async () => {
      const blocks = await Promise.all(queue.map(({ block }) => block))
      await this.#writer.appendBlocks(blocks, first)
      reached('blocks-appended')
      for (const block of blocks) this.stored += block.length
      for (const { buffer } of queue) if (buffer !== undefined) this.#buffers.give(buffer)
    })
    this.#appending.catch(() => {}) // Those that await it get the error; this instance is unusable then.
  }
}

function used(place: Place): Place {
  if (place.users !== undefined) place.users++
  return place
}

/** Whether another extent's blocks directly follow those of `extent` in the same core. */
function isFollowedBy(extent: Extent, next: Extent): boolean {
  return !extent.packed && !next.packed && extent.core === next.core && extent.block + extent.blocks === next.block
}

/** Joins extents of consecutive blocks. */
export function joinExtents(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = []
  for (const extent of extents) {
    const last = joined.at(-1)
    const follows = last !== undefined && isFollowedBy(last, extent)
    if (!follows) joined.push(extent)
    else
      joined[joined.length - 1] = { ...last, blocks: last.blocks + extent.blocks, length: last.length + extent.length }
  }
  return joined
}
