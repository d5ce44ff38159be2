import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { decodePack, PackBuilder, packBytesTarget } from '../../format/pack-codec.ts'
import type { PackRun, Relocation } from '../../format/relocation-codec.ts'
import { BeeView, type Pair } from '../bee/bee-view.ts'
import { extentsIn } from '../bee/entries.ts'
import { lastHere, type Relocations } from '../content/relocations.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import type { Kept } from './kept.ts'

export interface SparseParts {
  readonly bee: Hyperbee
  readonly content: Hypercore
  readonly places: BlockPlaces
  /** Where the contents of cleared packs are. */
  readonly relocations: Relocations
}

/** A pack that is here, with the runs of it that are needed. */
interface SparsePack {
  readonly block: number
  readonly needed: readonly PackRun[]
  /** Bytes of its contents that no kept version needs. */
  readonly dead: number
  /** Bytes on disk that repacking the rest gives back, about. */
  readonly gain: number
}

/** Packs of which only a part is needed. */
export interface Sparse {
  readonly packs: readonly SparsePack[]
  /** Bytes on disk that repacking them gives back, about. */
  readonly gain: number
}

/** The largest share of all garbage that may stay in packs that are needed in part. */
const leftShareMax = 0.05
/** A pack with a smaller share of garbage isn't worth repacking. */
const deadShareMin = 0.05
/** A pack with this many needed bytes isn't even read. */
const fullBytes = packBytesTarget * (1 - deadShareMin)

/**
 * Finds the packs to repack, those with the most garbage first, until nearly all garbage is given back: so no more
 * needed bytes are stored again than that takes.
 *
 * @param garbageBytes that clearing blocks gives back
 */
export async function findSparse(
  parts: SparseParts,
  kept: Kept,
  garbageBytes: number,
  signal: AbortSignal
): Promise<Sparse> {
  const all: SparsePack[] = []
  for (const [block, needed] of await neededOf(parts, kept, signal)) {
    signal.throwIfAborted()
    const pack = await sparsePack(parts, block, needed)
    if (pack !== undefined) all.push(pack)
  }
  all.sort((a, b) => b.dead - a.dead)
  let left = all.reduce((sum, { gain }) => sum + gain, 0)
  const leftMax = leftShareMax * (garbageBytes + left)
  const packs: SparsePack[] = []
  let gain = 0
  for (const pack of all) {
    if (left <= leftMax) break
    left -= pack.gain
    gain += pack.gain
    packs.push(pack)
  }
  return { packs, gain }
}

/** The needed runs of each pack that is here. */
async function neededOf(
  { bee, content, relocations }: SparseParts,
  { since, newest }: Kept,
  signal: AbortSignal
): Promise<ReadonlyMap<number, readonly PackRun[]>> {
  /** Offset and length of each run, flattened. */
  const named = new Map<number, number[]>()
  const add = (pair: Pair) => {
    signal.throwIfAborted()
    for (const extent of extentsIn(pair)) {
      if (!extent.packed || extent.length === 0) continue
      const here = lastHere(content, relocations, extent)
      if (here === undefined) continue
      const { block, offset, length } = here
      const known = named.get(block)
      if (known === undefined) named.set(block, [offset, length])
      else known.push(offset, length)
    }
  }
  const [old, all] = [new BeeView(bee.core, since), new BeeView(bee.core, newest.length)]
  try {
    for await (const pair of old.pairs()) add(pair)
    for await (const pair of all.appended(since)) add(pair)
  } finally {
    await old.close()
    await all.close()
  }
  return new Map([...named].map(([block, numbers]) => [block, joined(numbers)]))
}

/** Runs in order, joined where they touch or overlap. */
function joined(numbers: readonly number[]): readonly PackRun[] {
  const runs = Array.from({ length: numbers.length / 2 }, (_, i) => {
    return { offset: numbers[2 * i] as number, length: numbers[2 * i + 1] as number }
  }).sort((a, b) => a.offset - b.offset)
  const joined: { offset: number; length: number }[] = []
  for (const { offset, length } of runs) {
    const last = joined.at(-1)
    if (last === undefined || offset > last.offset + last.length) joined.push({ offset, length })
    else last.length = Math.max(last.length, offset + length - last.offset)
  }
  return joined
}

/** The gain of repacking a pack; `undefined` if it isn't worth it, or the pack is missing or damaged. */
async function sparsePack(
  parts: SparseParts,
  block: number,
  needed: readonly PackRun[]
): Promise<SparsePack | undefined> {
  const live = bytesOf(needed)
  // A pack moves once: bytes that lie in two packs stay where they are.
  if (live >= fullBytes || parts.relocations.of(block) !== undefined) return undefined
  const pack = await readPack(parts, block)
  const last = needed.at(-1)
  // No entry can be read beyond the end of its pack.
  if (pack === undefined || last === undefined || last.offset + last.length > pack.contents.length) return undefined
  const dead = pack.contents.length - live
  if (dead < deadShareMin * pack.contents.length) return undefined
  return { block, needed, dead, gain: Math.round((pack.bytes * dead) / pack.contents.length) }
}

async function readPack({ content, places }: SparseParts, block: number) {
  if (!(await content.has(block))) return undefined
  const bytes = await content.get(block, { wait: false })
  if (bytes === null || !(await places.isBlock(block, bytes))) return undefined
  return { bytes: bytes.length, contents: await decodePack(bytes) }
}

/**
 * Stores the needed runs of some packs in new packs, each of which is appended as soon as it is full. @returns the
 * moves
 */
export async function repack(
  parts: SparseParts,
  packs: readonly SparsePack[],
  append: (block: Uint8Array) => Promise<number>,
  signal: AbortSignal
): Promise<readonly Relocation[]> {
  const repacker = new Repacker(append)
  for (const { block, needed } of packs) {
    signal.throwIfAborted()
    const pack = await readPack(parts, block)
    // A pack that was damaged since stays.
    if (pack !== undefined) await repacker.add(block, needed, pack.contents)
  }
  return repacker.end()
}

class Repacker {
  readonly #append: (block: Uint8Array) => Promise<number>
  readonly #done: Relocation[] = []
  /** The moves into the pack that is being built. */
  #pending: Omit<Relocation, 'to'>[] = []
  #pack = new PackBuilder()

  constructor(append: (block: Uint8Array) => Promise<number>) {
    this.#append = append
  }

  async add(block: number, runs: readonly PackRun[], contents: Uint8Array): Promise<void> {
    if (this.#pack.bytes > 0 && this.#pack.bytes + bytesOf(runs) > packBytesTarget) await this.#seal()
    this.#pending.push({ block, at: this.#pack.bytes, bytes: contents.length, runs })
    for (const { offset, length } of runs) {
      if (offset + length > contents.length) throw new RangeError('a run beyond its pack')
      this.#pack.add(contents.subarray(offset, offset + length))
    }
  }

  async end(): Promise<readonly Relocation[]> {
    if (this.#pending.length > 0) await this.#seal()
    return this.#done
  }

  async #seal(): Promise<void> {
    const to = await this.#append(await this.#pack.encode())
    for (const relocation of this.#pending) this.#done.push({ ...relocation, to })
    this.#pending = []
    this.#pack = new PackBuilder()
  }
}

function bytesOf(runs: readonly PackRun[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0)
}
