import type { Totals } from '../baseline/totals.ts'
import type { Head } from '../format/head-codec.ts'
import type { Version } from '../tree/tree.ts'

/** A reader fetches fewer entries than this as fast without a snapshot. */
const entriesMin = 500
/**
 * Blocks that the log may grow by after a snapshot, as a share of the entries. Fetching one block of the log takes a reader
 * about as long as fifteen entries of a snapshot, and as many bytes as four of them.
 */
const growthMax = 0.25
/** A due snapshot waits for a pause in the changes, but no longer than this. */
const postponedMsMax = 60_000

/** Whether the log has grown enough since its last snapshot to make another one worth its bytes. */
export function isSnapshotDue(
  version: Version | undefined,
  head: Head | undefined,
  totals: Pick<Totals, 'files' | 'directories' | 'symlinks'>
): boolean {
  if (version === undefined || head === undefined || head.partial || head.unfinished) return false
  const entries = totals.files + totals.directories + totals.symlinks
  const grown = version.length - (head.snapshot?.length ?? 0)
  return entries >= entriesMin && grown >= Math.max(entriesMin, growthMax * entries)
}

/** When to publish a snapshot: not at all, as soon as the folder is quiet, or at once. */
export type SnapshotTiming = 'not-due' | 'when-quiet' | 'now'

/** Remembers since when a snapshot is due, so that a folder that is never quiet gets one all the same. */
export class SnapshotSchedule {
  #dueSinceMs: number | undefined

  /**
   * @param isDue whether a snapshot is due now
   * @param nowMs the time by a monotonic clock
   */
  next(isDue: boolean, nowMs: number): SnapshotTiming {
    this.#dueSinceMs = isDue ? (this.#dueSinceMs ?? nowMs) : undefined
    if (this.#dueSinceMs === undefined) return 'not-due'
    return nowMs - this.#dueSinceMs < postponedMsMax ? 'when-quiet' : 'now'
  }
}
