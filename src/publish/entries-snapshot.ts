import type { LiveBaseline } from '../baseline/baseline.ts'
import type { PackedRecords } from '../baseline/packed-records.ts'
import type { Head } from '../format/head-codec.ts'
import { encodeRows, type SnapshotRow } from '../format/snapshot-codec.ts'
import { sortedAsLog } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'

/** Fewer entries than this come as soon by themselves. */
const entriesMin = 500
/**
 * Blocks that the log has grown by since the last one, to its entries. One of the former takes a reader about as long
 * as fifteen of the latter by a snapshot, and as many bytes of the log as four of them.
 */
const growthMax = 0.25

/** Whether a snapshot is worth its bytes by now. */
export function isSnapshotDue(
  version: Version | undefined,
  head: Head | undefined,
  { totals }: Pick<LiveBaseline, 'totals'>
): boolean {
  const entries = totals.files + totals.directories + totals.symlinks
  if (version === undefined || head === undefined || head.partial || head.unfinished) return false
  const grown = version.length - (head.snapshot?.length ?? 0)
  return entries >= entriesMin && grown >= Math.max(entriesMin, growthMax * entries)
}

/**
 * The blocks of a snapshot of all that is recorded.
 *
 * @param isWanted is asked now and then whether it is to go on
 * @returns `undefined` when it wasn't
 * @throws {RangeError} when an entry is too large for a snapshot
 */
export async function packSnapshot(
  records: PackedRecords,
  isWanted: () => boolean
): Promise<readonly Buffer[] | undefined> {
  const blocks: Buffer[] = []
  // A block takes some ten milliseconds to fill.
  for await (const block of encodeRows(rowsOf(records))) {
    if (!isWanted()) return undefined
    blocks.push(block)
  }
  return blocks
}

/** In the log's order, one after the other: only the paths are there all at once. */
function* rowsOf(records: PackedRecords): Generator<SnapshotRow> {
  for (const path of sortedAsLog(records.keys())) {
    const record = records.get(path)
    if (record !== undefined) yield [path, record.entry]
  }
}
