import { concerns, type VersionReport as Said } from '../log/bee/history.ts'
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
  /** The last one told; the latest when left out. */
  readonly version?: string
  /** So many versions; all when left out. */
  readonly limit?: number
}

/** How many paths of a version put and went, and how many bytes the puts have. */
export type LoggedVersion = VersionRecord & {
  readonly added: number
  readonly changed: number
  readonly removed: number
  readonly moved: number
  /** Bytes of content that is new at its path; moves bring none. */
  readonly changedBytes: number
}

/**
 * The history, the newest version first: each version, then its changes.
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
  for await (const said of source.view.versions(to, { after, path, newestFirst: true, signal })) {
    signal.throwIfAborted()
    const { version, head } = said
    const told = reportChanges(await changesAbout(source, said, path, signal)).filter((change) => isAbout(change, path))
    // A version of nothing but a snapshot, or that says again what is so, is none to a user.
    if (told.length === 0) continue
    yield { ...versionRecord(version, head), ...countsOf(told) }
    for (const change of told) yield changeRecord(version.length, change)
    if (--left === 0) return
  }
}

/** What it takes to tell of a path: what else has changed only where that may be the other end of a move. */
async function changesAbout(
  { view }: LogSource,
  { changes, before }: Said,
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

function countsOf(told: readonly ChangeReport[]) {
  const counts = { added: 0, changed: 0, removed: 0, moved: 0, changedBytes: 0 }
  for (const change of told) {
    counts[change.type]++
    const isNew = change.type === 'added' || (change.type === 'changed' && !change.onlyMetadata)
    if (isNew && change.after.type === 'file') counts.changedBytes += change.after.size
  }
  return counts
}
