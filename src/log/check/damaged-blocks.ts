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
  /** Whether a block of the content core lies in a file rather than in the store. */
  readonly isPlaced: (block: number) => Promise<boolean>
  /** Whether all bytes of an extent are here, if need be in a pack that they were moved to. */
  readonly holds: (extent: Extent) => Promise<boolean>
  /** Blocks of the content core that should be here, and aren't. */
  readonly missing: () => Promise<readonly number[]>
}

/** How often to check whether a peer offers the blocks. */
const tickMs = 50
/** Timeout of a block that a peer offers. */
const fetchMs = 20_000
const fetchedAtOnce = 16

/**
 * Replaces damaged blocks by those of peers. No block is cleared before a peer offers it; all that are to be replaced
 * are cleared before the first arrives: an arriving block may start a compaction, which reads the remaining damaged
 * ones, and closes the engine to writes when it can't.
 *
 * Throws the engine's error if it is closed to writes already.
 *
 * @param signal ends the wait for peers
 * @returns for each block the reason of its failure, in words, or `undefined` if it is here now, as signed
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

/** Fetches a block; Hypercore accepts none but the one that was signed. */
async function fetch(core: Hypercore, block: number): Promise<string | undefined> {
  try {
    const bytes = await core.get(block, { timeout: fetchMs })
    return bytes === null ? 'No connected peer has it' : undefined
  } catch (error) {
    if (databaseFailure('store', '', error) !== undefined) throw error
    return messageOf(error)
  }
}
