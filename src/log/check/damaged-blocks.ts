import { setTimeout as sleep } from 'node:timers/promises'
import type Hypercore from 'hypercore'
import { databaseFailure, messageOf } from '../../errors.ts'
import type { Extent } from '../../tree/entry.ts'
import { askWhoHas, isOffered } from '../hypercore/peers.ts'
import { keepNodes } from '../hypercore/tree-nodes.ts'

/** The cores of a log. */
export interface LogCores {
  readonly entries: Hypercore
  readonly content: Hypercore | undefined
  readonly hasPeers: () => boolean
  /** Whether a block of the contents lies in a file rather than in the store. */
  readonly isPlaced: (block: number) => Promise<boolean>
  /** Whether all is here that an extent names, be it in another pack. */
  readonly holds: (extent: Extent) => Promise<boolean>
  /** Blocks of the contents that should be here, and aren't. */
  readonly missing: () => Promise<readonly number[]>
}

/** How often it is looked whether a peer has a block. */
const tickMs = 50
/** For a block that a peer says it has. */
const fetchMs = 20_000
const fetchedAtOnce = 16

/**
 * Replaces blocks that are damaged by a peer's. None is given up before a peer has it; all that are to be replaced are,
 * before the first comes: what comes may set off a compaction, which reads what is still there of the others, and leaves
 * the engine closed to writes where that can't be read.
 *
 * Throws the engine's error where it is so already.
 *
 * @param signal ends the wait for peers
 * @returns for each block why it couldn't be, in words, or `undefined` when it is here now, as it was signed
 */
export async function fetchDamaged(
  core: Hypercore,
  blocks: readonly number[],
  signal: AbortSignal
): Promise<(string | undefined)[]> {
  const failures = new Map<number, string>()
  while (!signal.aborted && !blocks.every((block) => isOffered(core, block))) {
    askWhoHas(core, blocks)
    await sleep(tickMs)
  }
  const offered = blocks.filter((block) => isOffered(core, block))
  for (const block of blocks)
    failures.set(block, core.peers.length === 0 ? 'No peer was found' : 'No connected peer has it')
  keepNodes(core)
  await Promise.all(offered.map((block) => core.clear(block)))
  for (let first = 0; first < offered.length; first += fetchedAtOnce) {
    const fetched = offered.slice(first, first + fetchedAtOnce).map(async (block) => {
      const failure = await fetch(core, block)
      if (failure === undefined) failures.delete(block)
      else failures.set(block, failure)
    })
    await Promise.all(fetched)
  }
  return blocks.map((block) => failures.get(block))
}

/** Hypercore takes no other block than the one that was signed. */
async function fetch(core: Hypercore, block: number): Promise<string | undefined> {
  try {
    const bytes = await core.get(block, { timeout: fetchMs })
    return bytes === null ? 'No connected peer has it' : undefined
  } catch (error) {
    if (databaseFailure('store', '', error) !== undefined) throw error
    return messageOf(error)
  }
}
