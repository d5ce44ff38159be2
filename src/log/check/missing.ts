import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import type { Entry } from '../../tree/entry.ts'
import type { TreePath } from '../../tree/path.ts'
import { isHere, type Relocations, relocationsOf } from '../content/relocations.ts'
import { holdsBlock } from '../hypercore/core-state.ts'

export interface LatestVersion {
  readonly head: Head | undefined
  readonly entries: AsyncIterable<readonly [TreePath, Entry]>
  /** Called only if the table that the head names is here; rejects if it can't be read. */
  readonly relocations: () => Promise<Relocations>
}

/**
 * The blocks that a writer's store should have and lacks: an interrupted repair clears a block before a peer's arrives.
 * Content in place is left out, as its files may change at any time.
 *
 * @returns blocks of the content core in order; if the table of relocations lacks blocks, only those
 */
export async function missingBlocks(content: Hypercore, latest: LatestVersion): Promise<readonly number[]> {
  const missing = new Set<number>()
  const need = (block: number, blocks: number) => {
    for (let at = block; at < block + blocks; at++) if (!holdsBlock(content, at)) missing.add(at)
  }
  const table = latest.head && relocationsOf(latest.head)
  if (table !== undefined) need(table.block, table.blocks)
  if (missing.size > 0) return inOrder(missing)
  const relocations = await latest.relocations()
  for await (const [, entry] of latest.entries) {
    if (entry.type !== 'file') continue
    for (const extent of entry.extents) {
      if (!extent.packed || (await isHere(content, relocations, extent))) continue
      const { block, blocks } = [...relocations.places(extent)].at(-1) ?? extent
      need(block, blocks)
    }
  }
  return inOrder(missing)
}

function inOrder(blocks: Iterable<number>): readonly number[] {
  return [...blocks].sort((a, b) => a - b)
}
