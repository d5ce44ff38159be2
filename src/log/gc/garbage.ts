import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { Version } from '../../tree/tree.ts'
import { BeeView, type Pair } from '../bee/bee-view.ts'
import { extentsIn, headerLength, headOf } from '../bee/entries.ts'
import { lastHere, type Relocations, RelocationTable } from '../content/relocations.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import { type BlockRun, BlockSet } from './block-set.ts'
import type { Kept } from './kept.ts'
import { findSparse, type Sparse } from './sparse-packs.ts'

/** Runs of garbage with no more than so many blocks between them, none of which is here, are cleared as one. */
const gapBlocksMax = 4096
/** Others get their turn after so many. */
const blocksAtOnce = 16_384

/** A version that is whole, and what it says of itself. */
export interface PastVersion {
  readonly version: Version
  readonly head: Head
}

/**
 * Finds and clears the blocks of a content core that no kept version needs. The entries core stays as it is, and all of
 * it has to be here. What proves the blocks stays too: who has them may serve them, and what is kept can be proven.
 *
 * Reading throws a `RangeError` where the log holds no tree, and `UnfitSnapshot` where the table of what was moved isn't here.
 */
export class Garbage {
  readonly #bee: Hyperbee
  readonly #content: Hypercore
  readonly #places: BlockPlaces
  readonly #table = new RelocationTable()

  constructor(bee: Hyperbee, content: Hypercore, places: BlockPlaces) {
    this.#bee = bee
    this.#content = content
    this.#places = places
  }

  /** Whether all of the log up to a version is here, but for contents. */
  isWhole({ length }: Version): Promise<boolean> {
    return this.#bee.core.has(0, length)
  }

  /**
   * The versions that are whole, the newest first. It ends with the first one, or where the log doesn't tell which one
   * was before: logs of earlier writers.
   */
  async *versions(newest: Version): AsyncGenerator<PastVersion> {
    for (let at = newest; at.length > headerLength; ) {
      const head = await headOf(this.#bee, at)
      if (!head.unfinished) yield { version: at, head }
      if (head.before >= at.length) throw new RangeError('a version that comes before itself')
      at = { fork: at.fork, length: head.before }
    }
  }

  /**
   * The blocks that are here and nobody needs. Those behind what the newest version tells of are none: it may be that
   * the next one names them.
   *
   * @param isHeld whether a file of the folder holds a block: what lies there takes no space
   */
  async find(kept: Kept, isHeld: (block: BlockRef) => boolean, signal: AbortSignal): Promise<BlockSet> {
    const { contentLength } = await headOf(this.#bee, kept.newest)
    const found = await this.#here(Math.min(contentLength, this.#content.length), isHeld, signal)
    const relocations = await this.#relocations(kept.newest, signal)
    const view = new BeeView(this.#bee.core, kept.since)
    try {
      for await (const pair of view.pairs()) {
        signal.throwIfAborted()
        this.#spareExtents(found, pair, relocations)
      }
    } finally {
      await view.close()
    }
    await this.spare(found, kept, signal)
    return found
  }

  /** How much of packs nobody needs, though they can't be cleared: what `repack` would give back. */
  async sparse(kept: Kept, garbageBytes: number, signal: AbortSignal): Promise<Sparse> {
    const relocations = await this.#relocations(kept.newest, signal)
    const parts = { bee: this.#bee, content: this.#content, places: this.#places, relocations }
    return findSparse(parts, kept, garbageBytes, signal)
  }

  async #relocations(newest: Version, signal: AbortSignal): Promise<Relocations> {
    // Without it what was moved would be taken for what nobody needs.
    return this.#table.known(await headOf(this.#bee, newest), this.#content, () => false, signal)
  }

  /** Takes out what was put since a length, be it for a while only, and what the newest version names itself. */
  async spare(found: BlockSet, { since, newest }: Kept, signal: AbortSignal): Promise<void> {
    const relocations = await this.#relocations(newest, signal)
    const view = new BeeView(this.#bee.core, newest.length)
    try {
      for await (const pair of view.appended(since)) {
        signal.throwIfAborted()
        this.#spareExtents(found, pair, relocations)
      }
    } finally {
      await view.close()
    }
    const { snapshot, deltas = [], relocations: table } = await headOf(this.#bee, newest)
    for (const packed of [snapshot, table, ...deltas]) if (packed !== undefined) found.remove(runOf(packed))
  }

  /** Of what was moved it is the last place that is needed of those that are here. */
  #spareExtents(found: BlockSet, pair: Pair, relocations: Relocations): void {
    for (const extent of extentsIn(pair)) {
      found.remove(runOf(lastHere(this.#content, relocations, extent) ?? extent))
    }
  }

  /** How many blocks there are of a set, and how many bytes they have. */
  async measure(found: BlockSet, signal: AbortSignal): Promise<{ readonly blocks: number; readonly bytes: number }> {
    let [blocks, bytes] = [0, 0]
    for (const { start, end } of found.runs()) {
      signal.throwIfAborted()
      blocks += end - start
      for (const { size } of await this.#places.leavesOf(start, end - start)) bytes += size
    }
    return { blocks, bytes }
  }

  /** Clears blocks, some runs of them, and takes them out of the set. @returns whether these were the last */
  async clear(found: BlockSet, runsMax: number, signal: AbortSignal): Promise<boolean> {
    const runs: BlockRun[] = []
    for (const run of this.#joined(found.runs())) if (runs.push(run) > runsMax) break
    for (const run of runs.slice(0, runsMax)) {
      signal.throwIfAborted()
      await this.#content.clear(run.start, run.end)
      found.remove(run)
    }
    return runs.length <= runsMax
  }

  async #here(end: number, isHeld: (block: BlockRef) => boolean, signal: AbortSignal): Promise<BlockSet> {
    const { bitfield } = this.#content.core
    const here = new BlockSet()
    let count = 0
    for (let at = bitfield.findFirst(true, 0); at >= 0 && at < end; at = bitfield.findFirst(true, at + 1)) {
      if (!isHeld(this.#places.refOf(at))) here.add(at)
      if (++count % blocksAtOnce === 0) {
        signal.throwIfAborted()
        await yieldToOthers()
      }
    }
    return here
  }

  *#joined(runs: Iterable<BlockRun>): Generator<BlockRun> {
    const { bitfield } = this.#content.core
    let last: BlockRun | undefined
    for (const run of runs) {
      if (last !== undefined) {
        const isNear = run.start - last.end <= gapBlocksMax
        if (isNear && bitfield.findFirst(true, last.end) === run.start) {
          last = { start: last.start, end: run.end }
          continue
        }
        yield last
      }
      last = run
    }
    if (last !== undefined) yield last
  }
}

function runOf({ block, blocks }: { readonly block: number; readonly blocks: number }): BlockRun {
  return { start: block, end: block + blocks }
}
