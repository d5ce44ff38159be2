import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import {
  decodeRelocations,
  type Relocation,
  type RelocationsPointer,
  relocationLimits
} from '../../format/relocation-codec.ts'
import type { Extent } from '../../tree/entry.ts'
import { holdsBlock } from '../hypercore/core-state.ts'
import { fetchPacked, UnfitSnapshot } from '../packed/snapshot.ts'

/** Longest chain of moves: each took a gc. */
export const movesMax = 1000

/**
 * Where the contents of cleared packs are. A pack is moved once at most, and the pack that it was moved to may be moved
 * again: so each reader finds the one that it has, whatever others have cleared since.
 */
export class Relocations {
  readonly #byBlock: ReadonlyMap<number, Relocation>

  constructor(relocations: Iterable<Relocation> = []) {
    this.#byBlock = new Map([...relocations].map((relocation) => [relocation.block, relocation]))
  }

  get all(): Iterable<Relocation> {
    return this.#byBlock.values()
  }

  /** The move of a pack. */
  of(block: number): Relocation | undefined {
    return this.#byBlock.get(block)
  }

  /** The place that an extent was moved to; `undefined` if its pack wasn't moved, or these bytes weren't kept. */
  moved(extent: Extent): Extent | undefined {
    const relocation = extent.packed ? this.#byBlock.get(extent.block) : undefined
    const offset = relocation && placeIn(relocation, extent.offset, extent.length)
    return relocation && offset !== undefined ? { ...extent, block: relocation.to, offset } : undefined
  }

  /** An extent and the places that it was moved to, in order. */
  *places(extent: Extent): Generator<Extent> {
    let place: Extent | undefined = extent
    for (let moves = 0; place !== undefined && moves <= movesMax; moves++) {
      yield place
      place = this.moved(place)
    }
  }

  /** The last pack in the chain of moves of a pack. */
  lastOf(block: number): number {
    let last = block
    for (let moves = 0; moves < movesMax; moves++) {
      const relocation = this.#byBlock.get(last)
      if (relocation === undefined) break
      last = relocation.to
    }
    return last
  }
}

export const noRelocations = new Relocations()

/** The last of the places of an extent whose blocks are here. */
export function lastHere(core: Hypercore, relocations: Relocations, extent: Extent): Extent | undefined {
  return [...relocations.places(extent)].findLast(({ block }) => holdsBlock(core, block))
}

/** The offset in the new pack of a run of the old one's contents, if all of it was kept. */
export function placeIn({ at, runs }: Relocation, offset: number, length: number): number | undefined {
  let place = at
  for (const run of runs) {
    if (offset < run.offset) return undefined
    if (offset + length <= run.offset + run.length) return place + offset - run.offset
    place += run.length
  }
  return undefined
}

/** The contents of an old pack, out of those of the new one; bytes that weren't kept are zeros. */
export function restored({ at, bytes, runs }: Relocation, pack: Uint8Array): Uint8Array {
  const contents = Buffer.alloc(bytes)
  let place = at
  for (const { offset, length } of runs) {
    if (place + length > pack.length) throw new RangeError('a relocation beyond its pack')
    contents.set(pack.subarray(place, place + length), offset)
    place += length
  }
  return contents
}

/** Whether the blocks of an extent are here, or a pack that its bytes were moved to. */
export async function isHere(core: Hypercore, relocations: Relocations, extent: Extent): Promise<boolean> {
  for (const { block, blocks } of relocations.places(extent)) if (await core.has(block, block + blocks)) return true
  return false
}

/** The table that a head names, if it is plausible. */
export function relocationsOf({ relocations, contentLength }: Head): RelocationsPointer | undefined {
  if (relocations === undefined) return undefined
  const { block, blocks } = relocations
  return block + blocks <= contentLength && blocks <= relocationLimits.blocks ? relocations : undefined
}

/** The relocations of a content core: reads the table that a head names, and keeps the one read last. */
export class RelocationTable {
  readonly #core: Hypercore
  readonly #hasPeers: () => boolean
  #known: { readonly key: string; readonly relocations: Relocations } | undefined

  /** @param hasPeers whether anybody is connected who may send the table */
  constructor(core: Hypercore, hasPeers: () => boolean) {
    this.#core = core
    this.#hasPeers = hasPeers
  }

  /**
   * The table that a head names, fetched from peers if it isn't here; an empty one if it is damaged or nobody sends it.
   * Contents that were moved can't be read then, unless somebody has the old packs.
   *
   * @param head of the latest version; `undefined` before the first
   */
  async fetched(head: Head | undefined, signal: AbortSignal): Promise<Relocations> {
    try {
      return await this.#read(head, this.#hasPeers, signal)
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof UnfitSnapshot)) throw error
      return noRelocations
    }
  }

  /**
   * The table that a head names, read from the store; empty only if the head names none. For callers that clear blocks:
   * without the table they would take moved contents for garbage.
   *
   * @throws {RangeError} when the table is damaged
   * @throws {UnfitSnapshot} when it isn't here
   */
  stored(head: Head | undefined, signal: AbortSignal): Promise<Relocations> {
    return this.#read(head, () => false, signal)
  }

  async #read(head: Head | undefined, hasPeers: () => boolean, signal: AbortSignal): Promise<Relocations> {
    if (head?.relocations === undefined) return noRelocations
    const pointer = relocationsOf(head)
    if (pointer === undefined) throw new RangeError('relocations beyond the contents')
    const key = `${this.#core.fork} ${pointer.block} ${pointer.blocks}`
    if (this.#known?.key === key) return this.#known.relocations
    const relocations = await load(this.#core, pointer, hasPeers, signal)
    this.#known = { key, relocations }
    return relocations
  }
}

async function load(
  core: Hypercore,
  { block, blocks }: RelocationsPointer,
  hasPeers: () => boolean,
  signal: AbortSignal
): Promise<Relocations> {
  if (!(await core.has(block, block + blocks))) {
    if (!hasPeers()) throw new UnfitSnapshot('Nobody sends it')
    await fetchPacked(core, { block, blocks, entries: 0 }, hasPeers, signal)
  }
  const all: Relocation[] = []
  let runs = 0
  for (let index = block; index < block + blocks; index++) {
    const bytes = await core.get(index, { wait: false })
    if (bytes === null) throw new UnfitSnapshot('A block of it is not here')
    for (const relocation of await decodeRelocations(bytes)) {
      runs += relocation.runs.length
      all.push(relocation)
    }
    if (all.length > relocationLimits.relocations || runs > relocationLimits.runs)
      throw new RangeError('more relocations than anybody needs')
  }
  return new Relocations(all)
}
