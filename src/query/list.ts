import { SyncError } from '../errors.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem } from '../tree/tree.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'
import { type EntryRecord, fieldsOf, type VersionRecord, versionRecord } from './records.ts'

export interface ListParams {
  /** As a user names it; the latest when left out. */
  readonly version?: string
  /** A directory, or one path; the folder itself when left out. */
  readonly path?: string
  /** Also what lies in directories. */
  readonly recursive?: boolean
}

/**
 * What a version has in a directory, or at a path, after the version itself.
 *
 * @throws {SyncError} NO_SUCH_PATH, NO_SUCH_VERSION, USAGE, DAMAGED
 */
export async function* list(
  source: LogSource,
  { version: name, path: text, recursive = false }: ListParams,
  signal: AbortSignal
): AsyncGenerator<VersionRecord | EntryRecord | ({ readonly type: 'problem' } & Problem)> {
  const path = pathOf(text)
  const version = await versionNamed(source, name, signal)
  const problems: Problem[] = []
  const onProblem = (problem: Problem) => void problems.push(problem)
  const rows = source.view.list(version, path, { recursive, onProblem, signal })
  // From far away that takes as long as to find out whether there is a directory.
  const first = rows.next()
  first.catch(() => {}) // Told below.
  const [head, entry] = await Promise.all([
    source.view.head(version, signal),
    path === '' ? undefined : source.view.entry(version, path, signal)
  ])
  if (path !== '' && entry === undefined) throw noSuchPath(path, version.length)
  yield versionRecord(version, head)
  if (entry !== undefined && entry.type !== 'directory') {
    yield { type: 'entry', ...fieldsOf(path, entry) }
    return
  }
  for (let row = await first; !row.done; row = await rows.next()) {
    signal.throwIfAborted()
    const [at, each] = row.value
    yield { type: 'entry', ...fieldsOf(at, each) }
    for (const problem of problems.splice(0)) yield { type: 'problem', ...problem }
  }
  for (const problem of problems) yield { type: 'problem', ...problem }
}

export function noSuchPath(path: TreePath, version: number): SyncError {
  return new SyncError('NO_SUCH_PATH', `Version ${version} has no ${path}. p2psync log tells in which it was`)
}
