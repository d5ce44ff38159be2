import { firstCore } from '../tree/block-ref.ts'
import type { Extent } from '../tree/entry.ts'

/**
 * Whether two extents of an entry overlap in part, which no writer makes. The same bytes may be named
 * again, where content repeats itself; so may whole blocks, as runs that meet: A B and then B C. Where a
 * last block ends can't be told from extents alone, so runs that end differently in one are not found.
 */
export function overlapInPart(extents: readonly Extent[]): boolean {
  if (areApart(extents)) return false
  const cores = new Map<number, Extent[]>()
  for (const extent of extents) {
    const ofCore = cores.get(extent.core)
    if (ofCore === undefined) cores.set(extent.core, [extent])
    else ofCore.push(extent)
  }
  return [...cores.values()].some(overlapInCore)
}

function overlapInCore(extents: readonly Extent[]): boolean {
  const end = { whole: 0, cut: 0, pack: 0 }
  let before: Extent | undefined
  for (const extent of [...extents].sort(byPlace)) {
    if (before !== undefined && byPlace(before, extent) === 0) continue // The same bytes again.
    const { block, blocks, offset, packed } = extent
    const kind = packed ? 'pack' : offset > 0 ? 'cut' : 'whole'
    if (before !== undefined && clash(before, extent)) return true
    // What begins within a block, or is a pack, shares no block with anything of another kind.
    if (block < end.cut || (kind !== 'whole' && block < end.whole) || (kind !== 'pack' && block < end.pack)) return true
    end[kind] = Math.max(end[kind], block + blocks)
    before = extent
  }
  return false
}

/** In the order of the log, each behind the one before: how nearly all files are, and quickly told. */
function areApart(extents: readonly Extent[]): boolean {
  let [inCore, end] = [firstCore, 0]
  for (const { core, block, blocks } of extents) {
    if (core < inCore || (core === inCore && block < end)) return false
    inCore = core
    end = block + blocks
  }
  return true
}

/** Whether neighbours in the order of places, which aren't the same bytes, overlap in what can be compared. */
function clash(a: Extent, b: Extent): boolean {
  if (a.block !== b.block) return false
  if (a.packed && b.packed) return b.offset < a.offset + a.length
  // The same blocks, of which one takes more than the other.
  return !a.packed && !b.packed && a.blocks === b.blocks && a.offset === b.offset
}

function byPlace(a: Extent, b: Extent): number {
  return (
    a.block - b.block ||
    Number(a.packed) - Number(b.packed) ||
    (a.packed ? 0 : a.blocks - b.blocks) ||
    a.offset - b.offset ||
    a.length - b.length
  )
}
