import { concerns, type VersionReport } from '../log/bee/history.ts'
import { type ChangeReport, mayBeMove, reportChanges } from '../tree/change.ts'
import type { TreePath } from '../tree/path.ts'
import type { Change } from '../tree/tree.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'
import { type ChangeRecord, changeRecord, type VersionRecord, versionRecord } from './records.ts'

export interface LogParams {
  /** Only versions that change this path, or one beneath it, and only these changes. */
  readonly path?: string
  /** Only versions after this one. */
  readonly since?: string
  /** The newest version to yield; the latest when left out. */
  readonly version?: string
  /** The number of versions to yield; all when left out. */
  readonly limit?: number
}

/** A version with the counts of its changes. */
export type LoggedVersion = VersionRecord & {
  readonly added: number
  readonly changed: number
  readonly removed: number
  readonly moved: number
  /** Bytes of files whose content is new at their path; moved files don't count. */
  readonly changedBytes: number
}

/**
 * Yields the history, the newest version first: each version, then its changes.
 *
 * @throws {SyncError} NO_SUCH_VERSION, USAGE, DAMAGED
 */
export async function* log(
  source: LogSource,
  { path: text, since, version: last, limit = Number.POSITIVE_INFINITY }: LogParams,
  signal: AbortSignal
): AsyncGenerator<LoggedVersion | ChangeRecord> {
  const path = pathOf(text)
  const to = await versionNamed(source, last, signal)
  const after = since === undefined ? 0 : (await versionNamed(source, since, signal)).length
  let left = limit
  if (left <= 0) return
  for await (const report of source.view.versions(to, { after, path, newestFirst: true, signal })) {
    signal.throwIfAborted()
    const { version, head } = report
    const changes = reportChanges(await changesAbout(source, report, path, signal)).filter((change) =>
      isAbout(change, path)
    )
    // To a user a version that only has a snapshot, or repeats what was so before, is none.
    if (changes.length === 0) continue
    yield { ...versionRecord(version, head), ...countsOf(changes) }
    for (const change of changes) yield changeRecord(version.length, change)
    if (--left === 0) return
  }
}

/** The changes of a path; all changes of the version where one of them may be the other end of a move. */
async function changesAbout(
  { view }: LogSource,
  { changes, before }: VersionReport,
  path: TreePath | '',
  signal: AbortSignal
): Promise<readonly Change[]> {
  const about = changes.filter(([at]) => concerns(at, path))
  const changed = await view.before(about, before, signal)
  return about.length === changes.length || !changed.some(mayBeMove) ? changed : view.before(changes, before, signal)
}

function isAbout(change: ChangeReport, path: ReturnType<typeof pathOf>): boolean {
  return concerns(change.path, path) || (change.type === 'moved' && concerns(change.from, path))
}

function countsOf(changes: readonly ChangeReport[]) {
  const counts = { added: 0, changed: 0, removed: 0, moved: 0, changedBytes: 0 }
  for (const change of changes) {
    counts[change.type]++
    const isNew = change.type === 'added' || (change.type === 'changed' && !change.onlyMetadata)
    if (isNew && change.after.type === 'file') counts.changedBytes += change.after.size
  }
  return counts
}
