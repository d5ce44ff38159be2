import type Hypercore from 'hypercore'
import type { Head } from '../format/head-codec.ts'
import {
  decodeRelocations,
  type Relocation,
  type RelocationsPointer,
  relocationLimits
} from '../format/relocation-codec.ts'
import type { Extent } from '../tree/entry.ts'
import { fetchPacked, UnfitSnapshot } from './snapshot.ts'

/** Where the contents of cleared packs are. */
export class Relocations {
  readonly #byBlock: ReadonlyMap<number, Relocation>

  constructor(relocations: Iterable<Relocation> = []) {
    this.#byBlock = new Map([...relocations].map((relocation) => [relocation.block, relocation]))
  }

  get all(): Iterable<Relocation> {
    return this.#byBlock.values()
  }

  /** Where what was kept of a pack is. */
  of(block: number): Relocation | undefined {
    return this.#byBlock.get(block)
  }

  /** Where all that an extent names is; `undefined` where it isn't of a pack that was cleared, or was not kept of it. */
  covering({ block, offset, length, packed }: Extent): Relocation | undefined {
    const relocation = packed ? this.#byBlock.get(block) : undefined
    return relocation && placeIn(relocation, offset, length) !== undefined ? relocation : undefined
  }

  /** What an extent names, where it lies now; `undefined` where nothing covers it. */
  relocated(extent: Extent): Extent | undefined {
    const relocation = this.covering(extent)
    const place = relocation && placeIn(relocation, extent.offset, extent.length)
    return relocation && place !== undefined ? { ...extent, block: relocation.to, offset: place } : undefined
  }
}

export const noRelocations = new Relocations()

/** Where a run of a pack's contents lies in the new one, if all of it was kept. */
export function placeIn({ at, runs }: Relocation, offset: number, length: number): number | undefined {
  let place = at
  for (const run of runs) {
    if (offset < run.offset) return undefined
    if (offset + length <= run.offset + run.length) return place + offset - run.offset
    place += run.length
  }
  return undefined
}

/** The contents of an old pack, out of those of the new one; what wasn't kept is left empty. */
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

/** Whether the blocks of an extent are here, or what they had of it. */
export async function isHere(core: Hypercore, relocations: Relocations, extent: Extent): Promise<boolean> {
  if (await core.has(extent.block, extent.block + extent.blocks)) return true
  const relocation = relocations.covering(extent)
  return relocation !== undefined && (await core.has(relocation.to))
}

/** The table that a head names, where it can be one. */
export function relocationsOf({ relocations, contentLength }: Head): RelocationsPointer | undefined {
  if (relocations === undefined) return undefined
  const { block, blocks } = relocations
  return block + blocks <= contentLength && blocks <= relocationLimits.blocks ? relocations : undefined
}

/** Keeps the table that was asked for last. */
export class RelocationTable {
  #known: { readonly key: string; readonly relocations: Relocations } | undefined

  /**
   * The table that a head names; none where it can't be had, or is none: what it tells of isn't to be had then, unless
   * somebody has the old packs.
   */
  async of(
    head: Head | undefined,
    core: Hypercore,
    hasPeers: () => boolean,
    signal: AbortSignal
  ): Promise<Relocations> {
    const pointer = head && relocationsOf(head)
    if (pointer === undefined) return noRelocations
    const key = `${core.fork} ${pointer.block} ${pointer.blocks}`
    if (this.#known?.key === key) return this.#known.relocations
    try {
      const relocations = await load(core, pointer, hasPeers, signal)
      this.#known = { key, relocations }
      return relocations
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof UnfitSnapshot)) throw error
      return noRelocations
    }
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
