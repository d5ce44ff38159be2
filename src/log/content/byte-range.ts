import type Hypercore from 'hypercore'
import type { Extent, FileEntry } from '../../tree/entry.ts'
import type { BlockPlaces } from '../hypercore/block-places.ts'

/** A range of bytes of a content; `end` excluded. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** The extents of a range of a file. Blocks before it aren't read: the log's tree has their lengths. */
export async function extentsOf(
  { extents }: FileEntry,
  { start, end }: ByteRange,
  core: Hypercore,
  places: BlockPlaces
): Promise<readonly Extent[]> {
  const parts: Extent[] = []
  let at = 0
  for (const extent of extents) {
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, extent.length)]
    at += extent.length
    if (from >= to) continue
    if (extent.packed) parts.push({ ...extent, offset: extent.offset + from, length: to - from })
    else parts.push({ ...(await skipped(extent, from, core, places)), length: to - from })
  }
  return parts
}

/** Skips the first bytes of a run of bare blocks. */
async function skipped(extent: Extent, from: number, core: Hypercore, places: BlockPlaces): Promise<Extent> {
  if (from === 0) return extent
  const begin = await places.offsetOf(extent.block).catch(async () => {
    // The proof of the block tells its offset.
    await core.get(extent.block)
    return places.offsetOf(extent.block)
  })
  const found = await core.seek(begin + extent.offset + from)
  if (found === null) throw new RangeError('an extent whose blocks are not there')
  const [block, offset] = found
  const blocks = extent.block + extent.blocks - block
  if (block < extent.block || blocks < 1) throw new RangeError('an extent that reaches beyond its blocks')
  return { ...extent, block, blocks, offset }
}
