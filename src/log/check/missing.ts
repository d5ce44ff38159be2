import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import type { Entry } from '../../tree/entry.ts'
import type { TreePath } from '../../tree/path.ts'
import { isHere, type Relocations, relocationsOf } from '../content/relocations.ts'
import { holdsBlock } from '../hypercore/core-state.ts'

export interface LatestVersion {
  readonly head: Head | undefined
  readonly entries: AsyncIterable<readonly [TreePath, Entry]>
  /** Asked only where the table that the head names is here; fails where that can't be read. */
  readonly relocations: () => Promise<Relocations>
}

/**
 * What a writer's store should have and hasn't: a repair that was cut off has given it up before a peer's came. Of what
 * lies in place that can't be told, as its files may be changed at any time.
 *
 * @returns blocks of the contents, in their order; where the table of what was moved is missing, those of it alone
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
