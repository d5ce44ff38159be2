import type { LiveBaseline } from '../baseline/baseline.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Taken } from './version-draft.ts'

/** Which commit of which pass is being made. */
export interface CommitStage {
  /** Whether the pass is the first since the folder was opened: its commits are versions of their own. */
  readonly startup: boolean
  /** Whether it is the last commit of its pass. */
  readonly last: boolean
  /** Whether the pass scanned the whole folder. */
  readonly everything: boolean
}

/** What the log's latest version says of itself. */
export interface LogProgress {
  readonly hasVersion: boolean
  /** Whether the latest version is partial, or a batch of a version that isn't finished. */
  readonly isIncomplete: boolean
}

/** What a commit writes. */
export interface CommitPlan extends Taken {
  /** Whether to append to the log, rather than only to the state. */
  readonly appends: boolean
  /** Whether the version announces more versions of the same first pass. */
  readonly partial: boolean
  /** Whether the batch belongs to a version that a later batch finishes. */
  readonly unfinished: boolean
}

/**
 * Decides what a commit writes.
 *
 * @returns `undefined` when there is nothing to write
 */
export function planCommit(
  taken: Taken,
  baseline: Pick<LiveBaseline, 'entry'>,
  { startup, last, everything }: CommitStage,
  { hasVersion, isIncomplete }: LogProgress
): CommitPlan | undefined {
  // A directory's time changes with every file that comes and goes in it, ignored files included. Such changes alone
  // make no version before the next scan of the whole folder.
  const isPostponed = !everything && onlyDirectoryTimes(taken.changes, baseline)
  const { changes, records, chunks } = isPostponed ? withoutChanges(taken) : taken
  const appends = changes.size > 0 || !hasVersion || (last && isIncomplete)
  if (!appends && records.size === 0 && chunks.size === 0) return undefined
  return { changes, records, chunks, appends, partial: startup && !last, unfinished: !startup && !last }
}

/** Whether `changes` are nothing but new times of directories. */
export function onlyDirectoryTimes(
  changes: ReadonlyMap<TreePath, Entry | undefined>,
  baseline: Pick<LiveBaseline, 'entry'>
): boolean {
  for (const [path, entry] of changes) {
    const before = baseline.entry(path)
    if (entry?.type !== 'directory' || before?.type !== 'directory' || before.mode !== entry.mode) return false
  }
  return changes.size > 0
}

function withoutChanges({ changes, records, chunks }: Taken): Taken {
  return { changes: new Map(), records: new Map([...records].filter(([path]) => !changes.has(path))), chunks }
}

/** Paths that a version puts and removes. */
export interface ChangeCounts {
  readonly puts: number
  readonly removals: number
}

/** @param before the counts of earlier batches of the same version */
export function countChanges(
  changes: ReadonlyMap<TreePath, Entry | undefined>,
  before: ChangeCounts = { puts: 0, removals: 0 }
): ChangeCounts {
  let { puts, removals } = before
  for (const entry of changes.values()) {
    if (entry === undefined) removals++
    else puts++
  }
  return { puts, removals }
}
