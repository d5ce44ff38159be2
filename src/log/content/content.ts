import type Hypercore from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { giveBack } from '../../buffer-pool.ts'
import { databaseFailure } from '../../errors.ts'
import { decodePack } from '../../format/pack-codec.ts'
import type { Relocation } from '../../format/relocation-codec.ts'
import { isSilence } from '../../silence.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { Extent, FileEntry } from '../../tree/entry.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import { movesMax, type Relocations, restored } from './relocations.ts'

/** Bytes that may be on their way for one extent. */
const inFlightBytesMax = 8 * 1024 * 1024
/** Blocks on their way at once, for all that is read: what an entry claims of their sizes may be wrong. */
const inFlightBlocksMax = 32
/** So many at first, and one more with each that is no larger than it may be. */
const inFlightBlocksMin = 2
/** No block is larger; FORMAT.md. */
const blockBytesMax = 2 * 1024 * 1024
/** With peers there, but nothing coming from any for so long, what is waited for counts as not to be had. */
const quietMsMax = 30_000
/** After that, until something comes, no longer than this. */
const quietMsMin = 2000
const quietTickMs = 500
/** Who doesn't wait for what may still come gives up a block that no peer says to have so long after the first was asked for. */
const nobodyMs = 5000

/** What a reader of contents can know of the network. */
export interface Arrivals {
  /** Whether anybody is there to fetch from. Without peers a read waits for one. */
  readonly hasPeers: () => boolean
  /** Bytes received from all peers so far. */
  readonly received: () => number
  /** With peers that send nothing, what is waited for counts as not to be had after so long. 30 seconds when left out. */
  readonly patienceMs?: number
  /** Whether to wait only for what some peer says to have: what isn't there of an earlier version doesn't come by itself. */
  readonly impatient?: boolean
}

export interface ContentReadOptions {
  readonly inPlace?: boolean
  readonly doubtful?: boolean
}

/** Unpacked packs kept: files of one directory share them, and are asked for together. */
const packsKept = 32
/** Packs of one file that are asked for before the one that is read. */
const packsAhead = 4

/** Reads contents out of a content core, fetching from peers what isn't here yet. */
export class ContentReader {
  readonly #core: Hypercore
  readonly #places: BlockPlaces
  readonly #uses = new Uses()
  /** Blocks that were asked for to be put in place, and aren't there yet. */
  readonly #placing = new Set<number>()
  readonly #packs = new BoundedMap<number, Promise<Uint8Array>>(packsKept)

  readonly #arrivals: Arrivals
  readonly #timer: NodeJS.Timeout
  /** What ends the wait for a block, with its index. */
  readonly #givenUp = new Map<(error: Error) => void, number>()
  #queue: (() => void)[] = []
  #inFlight = 0
  #inFlightMax = inFlightBlocksMin
  #before = { received: 0, atMs: 0 }
  #patienceMs: number
  /** When a first block was seen to be waited for. */
  #askedMs: number | undefined

  readonly #directory: string
  readonly #relocations: Relocations

  /**
   * @param relocations where the contents of packs are that were cleared
   * @param directory the store's, for messages
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
    // A session of its own: closing it ends all that still waits for a peer.
    this.#core = core.session()
    this.#arrivals = arrivals
    this.#patienceMs = this.#patienceMsMax
    this.#timer = setInterval(() => this.#listen(), quietTickMs)
    this.#timer.unref()
  }

  /**
   * The content of a file from its first byte to its last. It isn't verified beyond the log's own
   * signatures: compare the hash. Each piece is there until the next is asked for.
   *
   * @param options.inPlace whether its bytes are kept in a file of the folder rather than in the store: they have to be
   *   in it, at their place, when the next ones are asked for
   * @param options.doubtful whether what lies in files is to be compared with the log, however sure it seems
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

  /** All that a pack holds. It isn't kept: who asks for it here wants all of it at once. Throws as `read` does. */
  async pack({ index }: Pick<BlockRef, 'index'>, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted()
    return this.#relocations.of(index) === undefined ? this.#unpacked(index) : this.#assembled(index)
  }

  /** All that was kept of a pack, where it was, out of what it was moved to. */
  async #assembled(block: number): Promise<Uint8Array> {
    const moves: Relocation[] = []
    let at = block
    for (let next = this.#relocations.of(at); next !== undefined; next = this.#relocations.of(at)) {
      if (moves.length === movesMax || (await this.#core.has(at))) break
      moves.push(next)
      at = next.to
    }
    // Where that isn't to be had an older one may be.
    while (moves.length > 0 && !(await this.#core.has(at)) && !this.#isOffered(at)) {
      const before = moves.at(-1)?.block ?? block
      if (!this.#isOffered(before)) break
      at = before
      moves.pop()
    }
    let contents = await this.#plain(at)
    for (const move of moves.reverse()) contents = restored(move, contents)
    return contents
  }

  /** Has a pack come that is read soon. */
  #expect(extent: Extent): void {
    this.#placeOf(extent)
      .then(({ block }) => this.#plain(block))
      .catch(() => {}) // It is awaited when its turn comes.
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#core.close()
    // A block that was looked for in the store meanwhile is waited for all the same.
    for (const giveUp of this.#givenUp.keys()) giveUp(new NotToBeHad())
    await this.#places.abandon(this.#placing)
  }

  get #patienceMsMax(): number {
    return this.#arrivals.patienceMs ?? quietMsMax
  }

  /** What an extent names, out of the first pack that is to be had of all that it was moved to. */
  async #cut(extent: Extent): Promise<Uint8Array> {
    const place = await this.#placeOf(extent)
    const pack = await this.#plain(place.block)
    // Nobody else has a part of it.
    if (place.length === pack.length) this.#packs.delete(place.block)
    return cut(pack, place.offset, place.length)
  }

  async #placeOf(extent: Extent): Promise<Extent> {
    if (this.#relocations.of(extent.block) === undefined) return extent
    const places = [...this.#relocations.places(extent)]
    for (const place of places) if (await this.#core.has(place.block)) return place
    // The newest is what most have.
    places.reverse()
    return places.find(({ block }) => this.#isOffered(block)) ?? (places[0] as Extent)
  }

  #isOffered(block: number): boolean {
    return this.#core.peers.some((peer) => peer.remoteOpened && peer._remoteHasBlock(block))
  }

  async #unpacked(block: number): Promise<Uint8Array> {
    return decodePack(await this.#get(block))
  }

  /** All that a pack holds, as it lies there. */
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
        block.catch(() => {}) // It is awaited below, unless an earlier one fails.
        waiting.push(block)
      }
      const block = await (waiting.shift() as Promise<Uint8Array>)
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
    if (this.#inFlight++ === 0) this.#before = { received: this.#arrivals.received(), atMs: performance.now() }
    let giveUp: (error: Error) => void = () => {}
    try {
      const block = await new Promise<Uint8Array | null>((resolve, reject) => {
        giveUp = reject
        this.#givenUp.set(giveUp, index)
        this.#ask(index, options).then(resolve, (error: unknown) => {
          // A block of ours that can't be read, or written, is no fault of its path's.
          reject(databaseFailure('store', this.#directory, error) ?? error)
        })
      })
      if (block === null) throw new NotToBeHad()
      this.#weigh(block)
      return block
    } finally {
      this.#givenUp.delete(giveUp)
      this.#inFlight--
      for (let free = this.#inFlightMax - this.#inFlight; free > 0; free--) this.#queue.shift()?.()
    }
  }

  async #ask(index: number, { inPlace = false, doubtful = false }: ContentReadOptions): Promise<Uint8Array | null> {
    if (!(await this.#core.has(index))) {
      if (inPlace) this.#place(index)
    } else if ((await this.#places.lengthOf(index)) !== undefined) {
      const block = await this.#core.get(index, { wait: false })
      if (block !== null && (!doubtful || (await this.#places.isBlock(index, block)))) return block
      // Whatever held it has gone: it is fetched as if it had never been here.
      await this.#places.forget(index)
      if (inPlace) this.#place(index)
    }
    return this.#core.get(index)
  }

  #place(index: number): void {
    this.#placing.add(index)
    this.#places.expect(index)
  }

  /** A block may be of up to 15 MiB when its writer means harm: from the first one on they come one by one. */
  #weigh({ length }: Uint8Array): void {
    if (length <= blockBytesMax) {
      if (this.#inFlightMax > 1) this.#inFlightMax = Math.min(inFlightBlocksMax, this.#inFlightMax + 1)
      return
    }
    this.#inFlightMax = 1
    throw new RangeError(`a block of ${length} bytes, over the limit`)
  }

  /** Gives up what is waited for when peers are there and stay silent. */
  #listen(): void {
    const received = this.#arrivals.received()
    const nowMs = performance.now()
    if (!isSilence(received - this.#before.received) || !this.#arrivals.hasPeers()) {
      this.#before = { received, atMs: nowMs }
      this.#patienceMs = this.#patienceMsMax
    } else if (nowMs - this.#before.atMs >= this.#patienceMs && this.#givenUp.size > 0) {
      this.#patienceMs = quietMsMin
      this.#before = { received, atMs: nowMs }
      for (const giveUp of this.#givenUp.keys()) giveUp(new NotToBeHad())
    } else if (this.#arrivals.impatient === true) this.#giveUpHopeless(nowMs)
  }

  #giveUpHopeless(nowMs: number): void {
    if (this.#givenUp.size > 0) this.#askedMs ??= nowMs
    if (nowMs - (this.#askedMs ?? nowMs) < nobodyMs) return
    const peers = this.#core.peers.filter(({ remoteOpened }) => remoteOpened)
    for (const [giveUp, index] of this.#givenUp) {
      if (peers.length > 0 && !peers.some((peer) => peer._remoteHasBlock(index))) giveUp(new NotToBeHad())
    }
  }
}

/** Who reads which blocks: two that wait for one at the same time get the same memory. */
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
