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
  /** Where the contents of packs are that were cleared before. */
  readonly relocations: Relocations
}

/** A pack that is here, with what is needed of it. */
interface SparsePack {
  readonly block: number
  readonly needed: readonly PackRun[]
  /** Bytes of contents that nobody needs. */
  readonly dead: number
  /** Bytes on disk that are given back when the rest lies elsewhere, about. */
  readonly gain: number
}

/** Packs of which only a part is needed. */
export interface Sparse {
  readonly packs: readonly SparsePack[]
  /** Bytes on disk that they would give back, about. */
  readonly gain: number
}

/** Of all that nobody needs no more than this share is left in packs that others need a part of. */
const leftShareMax = 0.05
/** A pack with a smaller share of it isn't worth being stored anew. */
const deadShareMin = 0.05
/** A pack this full of what is needed isn't even looked at. */
const fullBytes = packBytesTarget * (1 - deadShareMin)

/**
 * Finds the packs of which much isn't needed: those to be stored anew, so that nearly all that nobody needs is given
 * back, and no more of what is needed is stored again than that takes.
 *
 * @param garbageBytes that can be cleared as it is
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
    const pack = await weigh(parts, block, needed)
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

/** What is needed of each pack that is here. */
async function neededOf(
  { bee, content, relocations }: SparseParts,
  { since, newest }: Kept,
  signal: AbortSignal
): Promise<ReadonlyMap<number, readonly PackRun[]>> {
  /** Offset and length of each, one behind the other. */
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

/** Runs in order, with something between two of them. */
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

/** What a pack would give back; `undefined` where that isn't worth it, or it isn't here, or isn't what was signed. */
async function weigh(parts: SparseParts, block: number, needed: readonly PackRun[]): Promise<SparsePack | undefined> {
  const live = bytesOf(needed)
  // One is moved once: what lies in two of them stays where it is.
  if (live >= fullBytes || parts.relocations.of(block) !== undefined) return undefined
  const pack = await readPack(parts, block)
  const last = needed.at(-1)
  // Nobody can read what lies beyond its end.
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

/** Where what is needed of some packs is to be: new packs, each of which is handed over as soon as it is full. */
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
    // One that was damaged since stays.
    if (pack !== undefined) await repacker.add(block, needed, pack.contents)
  }
  return repacker.end()
}

class Repacker {
  readonly #append: (block: Uint8Array) => Promise<number>
  readonly #done: Relocation[] = []
  /** What the pack that is being made is to have. */
  #waiting: Omit<Relocation, 'to'>[] = []
  #pack = new PackBuilder()

  constructor(append: (block: Uint8Array) => Promise<number>) {
    this.#append = append
  }

  async add(block: number, runs: readonly PackRun[], contents: Uint8Array): Promise<void> {
    if (this.#pack.bytes > 0 && this.#pack.bytes + bytesOf(runs) > packBytesTarget) await this.#seal()
    this.#waiting.push({ block, at: this.#pack.bytes, bytes: contents.length, runs })
    for (const { offset, length } of runs) {
      if (offset + length > contents.length) throw new RangeError('a run beyond its pack')
      this.#pack.add(contents.subarray(offset, offset + length))
    }
  }

  async end(): Promise<readonly Relocation[]> {
    if (this.#waiting.length > 0) await this.#seal()
    return this.#done
  }

  async #seal(): Promise<void> {
    const to = await this.#append(await this.#pack.encode())
    for (const relocation of this.#waiting) this.#done.push({ ...relocation, to })
    this.#waiting = []
    this.#pack = new PackBuilder()
  }
}

function bytesOf(runs: readonly PackRun[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0)
}
