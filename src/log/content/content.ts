import type Hypercore from 'hypercore'
import { attendedClock } from '../../attended-clock.ts'
import { BoundedMap } from '../../bounded-map.ts'
import { giveBack } from '../../buffer-pool.ts'
import { databaseFailure } from '../../errors.ts'
import { decodePack } from '../../format/pack-codec.ts'
import type { Relocation } from '../../format/relocation-codec.ts'
import { isSilence } from '../../keep-alive-bytes.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { Extent, FileEntry } from '../../tree/entry.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import { hasOpenPeer, isOffered } from '../hypercore/peers.ts'
import { movesMax, type Relocations, restored } from './relocations.ts'

/** Bytes requested ahead for one extent. */
const inFlightBytesMax = 8 * 1024 * 1024
/** Blocks requested at once by all readers: an entry may lie about their sizes. */
const inFlightBlocksMax = 32
/** The bound starts here and grows by one with each block of a legal size. */
const inFlightBlocksMin = 2
/** Largest legal block; FORMAT.md. */
const blockBytesMax = 2 * 1024 * 1024
/** A request is given up when the connected peers send nothing for this long. */
const quietMsMax = 30_000
/** After one was given up, until something comes, the bound is this. */
const quietMsMin = 2000
const quietTickMs = 500
/** An impatient reader gives up a block that no peer offers this long after the first request. */
const unofferedMs = 5000

/** The state of the network, for a reader of contents. */
export interface Arrivals {
  /** Whether anybody is connected to fetch from. Without peers a read waits for one. */
  readonly hasPeers: () => boolean
  /** Bytes received from all peers so far. */
  readonly received: () => number
  /** How long connected peers may be silent before a request is given up. 30 seconds when left out. */
  readonly patienceMs?: number | undefined
  /**
   * Whether to wait only for blocks that some peer offers: missing blocks of an earlier version don't come by
   * themselves.
   */
  readonly impatient?: boolean
}

export interface ContentReadOptions {
  readonly inPlace?: boolean
  readonly doubtful?: boolean
}

/** Unpacked packs cached: files of one directory share them, and are read together. */
const packsKept = 32
/** Packs of one file that are requested ahead. */
const packsAhead = 4

/** Reads contents out of a content core, and fetches missing blocks from peers. */
export class ContentReader {
  readonly #core: Hypercore
  readonly #places: BlockPlaces
  readonly #uses = new Uses()
  /** Blocks that were requested for a file, and aren't in it yet. */
  readonly #placing = new Set<number>()
  readonly #packs = new BoundedMap<number, Promise<Uint8Array>>(packsKept)

  readonly #arrivals: Arrivals
  readonly #timer: NodeJS.Timeout
  /** Ends the wait for a block, with its index. */
  readonly #givenUp = new Map<(error: Error) => void, number>()
  #queue: (() => void)[] = []
  #inFlight = 0
  #inFlightMax = inFlightBlocksMin
  #before = { received: 0, atMs: 0 }
  #patienceMs: number
  /** When the first request was seen. */
  #firstRequestMs: number | undefined

  readonly #directory: string
  readonly #relocations: Relocations

  /**
   * @param relocations where the contents of cleared packs are
   * @param directory of the store, for messages
   */
  constructor(
    core: Hypercore,
    places: BlockPlaces,
    arrivals: Arrivals,
    { relocations, directory }: { readonly relocations: Relocations; readonly directory: string }
  ) {
    this.#directory = directory
    this.#relocations = relocations
    this.#places = places
    // Closing its own session ends all waits for peers.
    this.#core = core.session()
    this.#arrivals = arrivals
    this.#patienceMs = this.#patienceMsMax
    this.#timer = setInterval(() => this.#checkSilence(), quietTickMs)
    this.#timer.unref()
  }

  /**
   * The content of a file from its first byte to its last. It is verified by the log's signatures alone: compare the
   * hash. Each piece is valid until the next is requested.
   *
   * @param options.inPlace whether the bytes go to a file of the folder rather than to the store: each piece has to
   *   be in the file, at its place, when the next one is requested
   * @param options.doubtful whether to compare bytes that lie in files with the log, however sure they seem
   * @throws {RangeError} when an extent reaches beyond its blocks
   * @throws {NotToBeHad} when no peer sends a block for long
   */
  async *read(entry: FileEntry, signal: AbortSignal, options: ContentReadOptions = {}): AsyncGenerator<Uint8Array> {
    const { extents } = entry
    for (const [i, extent] of extents.entries()) {
      signal.throwIfAborted()
      for (const next of extents.slice(i + 1, i + 1 + packsAhead)) {
        if (next.packed) this.#expect(next)
      }
      if (extent.packed) yield await this.#cut(extent)
      else yield* this.#run(extent, options)
    }
  }

  /** Whether a block is waited for. */
  get isWaiting(): boolean {
    return this.#inFlight > 0
  }

  /** The whole contents of a pack. They aren't cached: the caller wants all of them at once. Throws as `read` does. */
  async pack({ index }: Pick<BlockRef, 'index'>, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted()
    return this.#relocations.of(index) === undefined ? this.#unpacked(index) : this.#assembled(index)
  }

  /** The contents of a moved pack, as far as they were kept, out of the pack that they were moved to. */
  async #assembled(block: number): Promise<Uint8Array> {
    const moves: Relocation[] = []
    let at = block
    for (let next = this.#relocations.of(at); next !== undefined; next = this.#relocations.of(at)) {
      if (moves.length === movesMax || (await this.#core.has(at))) break
      moves.push(next)
      at = next.to
    }
    // Without that pack, an older one may be to be had.
    while (moves.length > 0 && !(await this.#core.has(at)) && !isOffered(this.#core, at)) {
      const before = moves.at(-1)?.block ?? block
      if (!isOffered(this.#core, before)) break
      at = before
      moves.pop()
    }
    let contents = await this.#plain(at)
    for (const move of moves.reverse()) contents = restored(move, contents)
    return contents
  }

  /** Requests a pack that is read soon. */
  #expect(extent: Extent): void {
    this.#placeOf(extent)
      .then(({ block }) => this.#plain(block))
      .catch(() => {}) // Awaited when its turn comes.
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#core.close()
    // A read that was in the store meanwhile begins to wait for peers all the same.
    for (const giveUp of this.#givenUp.keys()) giveUp(new NotToBeHad())
    await this.#places.abandon(this.#placing)
  }

  get #patienceMsMax(): number {
    return this.#arrivals.patienceMs ?? quietMsMax
  }

  /** The bytes of an extent, out of the first pack to be had of those that it was moved to. */
  async #cut(extent: Extent): Promise<Uint8Array> {
    const place = await this.#placeOf(extent)
    const pack = await this.#plain(place.block)
    // No other file has a part in this pack.
    if (place.length === pack.length) this.#packs.delete(place.block)
    return cut(pack, place.offset, place.length)
  }

  async #placeOf(extent: Extent): Promise<Extent> {
    if (this.#relocations.of(extent.block) === undefined) return extent
    const places = [...this.#relocations.places(extent)]
    for (const place of places) if (await this.#core.has(place.block)) return place
    // Most peers have the newest one.
    places.reverse()
    return places.find(({ block }) => isOffered(this.#core, block)) ?? places[0] ?? extent
  }

  async #unpacked(block: number): Promise<Uint8Array> {
    return decodePack(await this.#get(block))
  }

  /** The unpacked bytes of a pack, cached. */
  #plain(block: number): Promise<Uint8Array> {
    const known = this.#packs.get(block)
    const pack = known ?? this.#unpacked(block)
    this.#packs.renew(block, pack)
    pack.catch(() => this.#packs.delete(block))
    return pack
  }

  async *#run(extent: Extent, options: ContentReadOptions): AsyncGenerator<Uint8Array> {
    const blockBytes = Math.ceil(extent.length / extent.blocks)
    const ahead = Math.min(inFlightBlocksMax, Math.max(2, Math.floor(inFlightBytesMax / blockBytes)))
    const waiting: Promise<Uint8Array>[] = []
    let asked = 0
    let left = extent.length
    for (let i = 0; i < extent.blocks; i++) {
      for (; asked < extent.blocks && waiting.length < ahead; asked++) {
        this.#uses.begin(extent.block + asked)
        const block = this.#get(extent.block + asked, options)
        block.catch(() => {}) // Awaited below, unless an earlier one fails.
        waiting.push(block)
      }
      const block = await waiting.shift()
      if (block === undefined) break
      const bytes = i === 0 ? block.subarray(extent.offset) : block
      if (bytes.length === 0) throw new RangeError('an extent that begins beyond its block')
      const used = bytes.subarray(0, left)
      left -= used.length
      yield used
      if (this.#placing.delete(extent.block + i)) this.#places.written(extent.block + i)
      if (this.#uses.end(extent.block + i)) giveBack(block)
      if (left === 0) break
    }
    if (left > 0) throw new RangeError('an extent that reaches beyond its blocks')
  }

  async #get(index: number, options: ContentReadOptions = {}): Promise<Uint8Array> {
    while (this.#inFlight >= this.#inFlightMax) await new Promise<void>((resolve) => this.#queue.push(resolve))
    if (this.#inFlight++ === 0) this.#before = { received: this.#arrivals.received(), atMs: attendedClock.now() }
    let giveUp: (error: Error) => void = () => {}
    try {
      const block = await new Promise<Uint8Array | null>((resolve, reject) => {
        giveUp = reject
        this.#givenUp.set(giveUp, index)
        this.#readOrFetch(index, options).then(resolve, (error: unknown) => {
          // A failure of the store is no fault of the file's.
          reject(databaseFailure('store', this.#directory, error) ?? error)
        })
      })
      if (block === null) throw new NotToBeHad()
      this.#checkSize(block)
      return block
    } finally {
      this.#givenUp.delete(giveUp)
      this.#inFlight--
      for (let free = this.#inFlightMax - this.#inFlight; free > 0; free--) this.#queue.shift()?.()
    }
  }

  async #readOrFetch(
    index: number,
    { inPlace = false, doubtful = false }: ContentReadOptions
  ): Promise<Uint8Array | null> {
    if (!(await this.#core.has(index))) {
      if (inPlace) this.#place(index)
    } else if ((await this.#places.lengthOf(index)) !== undefined) {
      const block = await this.#core.get(index, { wait: false })
      if (block !== null && (!doubtful || (await this.#places.isBlock(index, block)))) return block
      // No file holds it any more: it is fetched as if it had never been here.
      await this.#places.forget(index)
      if (inPlace) this.#place(index)
    }
    return this.#core.get(index)
  }

  #place(index: number): void {
    this.#placing.add(index)
    this.#places.expect(index)
  }

  /** A malicious writer's block may have up to 15 MiB: from the first one on they are requested one by one. */
  #checkSize({ length }: Uint8Array): void {
    if (length <= blockBytesMax) {
      if (this.#inFlightMax > 1) this.#inFlightMax = Math.min(inFlightBlocksMax, this.#inFlightMax + 1)
      return
    }
    this.#inFlightMax = 1
    throw new RangeError(`a block of ${length} bytes, over the limit`)
  }

  /** Gives up all requests when connected peers stay silent. */
  #checkSilence(): void {
    const received = this.#arrivals.received()
    const nowMs = attendedClock.now()
    if (!isSilence(received - this.#before.received) || !this.#arrivals.hasPeers()) {
      this.#before = { received, atMs: nowMs }
      this.#patienceMs = this.#patienceMsMax
    } else if (nowMs - this.#before.atMs >= this.#patienceMs && this.#givenUp.size > 0) {
      this.#patienceMs = quietMsMin
      this.#before = { received, atMs: nowMs }
      for (const giveUp of this.#givenUp.keys()) giveUp(new NotToBeHad())
    } else if (this.#arrivals.impatient === true) this.#giveUpUnoffered(nowMs)
  }

  #giveUpUnoffered(nowMs: number): void {
    if (this.#givenUp.size > 0) this.#firstRequestMs ??= nowMs
    if (nowMs - (this.#firstRequestMs ?? nowMs) < unofferedMs) return
    if (!hasOpenPeer(this.#core)) return
    for (const [giveUp, index] of this.#givenUp) if (!isOffered(this.#core, index)) giveUp(new NotToBeHad())
  }
}

/** Counts the readers of each block: two that wait for one at the same time share its memory. */
class Uses {
  readonly #counts = new Map<number, number>()
  readonly #shared = new Set<number>()

  begin(block: number): void {
    const count = (this.#counts.get(block) ?? 0) + 1
    this.#counts.set(block, count)
    if (count > 1) this.#shared.add(block)
  }

  /** @returns whether it was nobody else's meanwhile */
  end(block: number): boolean {
    const count = (this.#counts.get(block) ?? 0) - 1
    const isAlone = !this.#shared.has(block)
    if (count > 0) this.#counts.set(block, count)
    else {
      this.#counts.delete(block)
      this.#shared.delete(block)
    }
    return isAlone
  }
}

/** No connected peer has a block, or none sends it. */
export class NotToBeHad extends Error {
  constructor() {
    super('No connected peer has its content now; it is tried again')
  }
}

function cut(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset + length > bytes.length) throw new RangeError('an extent that reaches beyond its pack')
  return bytes.subarray(offset, offset + length)
}
