import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { Version } from '../../tree/tree.ts'
import { BeeView, type Pair } from '../bee/bee-view.ts'
import { extentsIn, headerLength, headOf } from '../bee/entries.ts'
import type { LogContent } from '../content/log-content.ts'
import { lastHere, type Relocations, type RelocationTable } from '../content/relocations.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import { heldBlocks, nextHeld } from '../hypercore/core-state.ts'
import { type BlockRun, BlockSet } from './block-set.ts'
import type { Kept } from './kept.ts'
import { findSparse, type Sparse } from './sparse-packs.ts'

/** Runs of garbage this close together are cleared as one if no block between them is here. */
const gapBlocksMax = 4096
/** Other work gets its turn after this many blocks. */
const blocksAtOnce = 16_384

/** A whole version and its head. */
export interface PastVersion {
  readonly version: Version
  readonly head: Head
}

/**
 * Finds and clears the blocks of a content core that no kept version needs. It needs the whole entries core, and leaves
 * it as it is. Nodes that prove cleared blocks stay: peers that have the blocks may serve them, and kept blocks can be
 * proven.
 *
 * Reading throws a `RangeError` if the log holds no tree, and `UnfitSnapshot` if the table of relocations isn't here.
 */
export class Garbage {
  readonly #bee: Hyperbee
  readonly #content: Hypercore
  readonly #places: BlockPlaces
  readonly #table: RelocationTable

  constructor(bee: Hyperbee, { core, places, relocations }: LogContent) {
    this.#bee = bee
    this.#content = core
    this.#places = places
    this.#table = relocations
  }

  /** Whether the whole log up to a version is here, contents aside. */
  isWhole({ length }: Version): Promise<boolean> {
    return this.#bee.core.has(0, length)
  }

  /**
   * The whole versions, the newest first. Ends with the first version, or where the head doesn't name the one before:
   * in logs of earlier writers.
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
   * The blocks that are here and that no kept version needs. Blocks beyond the newest version's contents count as
   * needed: the next version may name them.
   *
   * @param isHeld whether a file of the folder holds a block: it takes no space in the store
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

  /** The packs of which only a part is needed: `repack` gives the rest back. */
  async sparse(kept: Kept, garbageBytes: number, signal: AbortSignal): Promise<Sparse> {
    const relocations = await this.#relocations(kept.newest, signal)
    const parts = { bee: this.#bee, content: this.#content, places: this.#places, relocations }
    return findSparse(parts, kept, garbageBytes, signal)
  }

  async #relocations(newest: Version, signal: AbortSignal): Promise<Relocations> {
    // Without the table, moved contents would count as garbage.
    return this.#table.stored(await headOf(this.#bee, newest), signal)
  }

  /**
   * Removes from the set blocks that were named since a length, if only for a while, and those of the snapshot, deltas
   * and relocations of the newest version.
   */
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

  /** Of a moved extent, the last place that is here is needed. */
  #spareExtents(found: BlockSet, pair: Pair, relocations: Relocations): void {
    for (const extent of extentsIn(pair)) {
      found.remove(runOf(lastHere(this.#content, relocations, extent) ?? extent))
    }
  }

  /** The number of blocks of a set, and their bytes. */
  async measure(found: BlockSet, signal: AbortSignal): Promise<{ readonly blocks: number; readonly bytes: number }> {
    let [blocks, bytes] = [0, 0]
    for (const { start, end } of found.runs()) {
      signal.throwIfAborted()
      blocks += end - start
      for (const { size } of await this.#places.leavesOf(start, end - start)) bytes += size
    }
    return { blocks, bytes }
  }

  /** Clears up to `runsMax` runs of a set, and removes them from it. @returns whether the set is empty then */
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
    const here = new BlockSet()
    let count = 0
    for (const block of heldBlocks(this.#content, end)) {
      if (!isHeld(this.#places.refOf(block))) here.add(block)
      if (++count % blocksAtOnce === 0) {
        signal.throwIfAborted()
        await yieldToOthers()
      }
    }
    return here
  }

  *#joined(runs: Iterable<BlockRun>): Generator<BlockRun> {
    let last: BlockRun | undefined
    for (const run of runs) {
      if (last !== undefined) {
        const isNear = run.start - last.end <= gapBlocksMax
        if (isNear && nextHeld(this.#content, last.end) === run.start) {
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
