import type { Staging } from '../disk/write/stage.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { Outcome } from './apply-version.ts'
import type { PendingPaths } from './pending-paths.ts'

export interface OutcomeRecords {
  readonly pending: PendingPaths
  readonly staging: Pick<Staging, 'prune'>
  readonly monitor: Pick<Monitor, 'solve' | 'problem' | 'problems'>
}

/**
 * Notes which paths are pending after a pass, and solves the problems of the others.
 *
 * @param full whether the pass was over the whole folder
 */
export function recordOutcome(outcome: Outcome, full: boolean, { pending, staging, monitor }: OutcomeRecords): void {
  const { paths, target, changed } = outcome
  if (full) pending.clear()
  const isUsedUp = pending.tried(paths, target.tree, outcome.failed, { hurried: changed.size > 0 })
  // Received parts of other files than the pending ones are of no use any more.
  staging.prune(pending.entries.values())
  const planned: ReadonlySet<string> = paths
  const failed: ReadonlySet<string> = outcome.failed
  // A full pass has met every problem, also with paths that nobody wants any more.
  monitor.solve(({ path }) => (full || planned.has(path)) && !failed.has(path) && !outcome.refused.has(path))
  if (!isUsedUp) return
  const reported = new Set(monitor.problems.map(({ path }) => path))
  for (const path of changed) {
    if (reported.has(path)) continue
    monitor.problem({ path, action: 'write', message: 'It changes here again and again; it is tried again' })
  }
}
