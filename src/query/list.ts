import { SyncError } from '../errors.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem } from '../tree/tree.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'
import { type EntryRecord, fieldsOf, type VersionRecord, versionRecord } from './records.ts'

export interface ListParams {
  /** The name of a version; the latest when left out. */
  readonly version?: string
  /** A directory, or one path; the folder itself when left out. */
  readonly path?: string
  /** Whether to list subdirectories too. */
  readonly recursive?: boolean
}

/**
 * Yields a version, then its entries in a directory, or its one entry at the path of a file or link.
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
  // Fetched from far away, the first row takes as long as the directory's own entry: ask for both at once.
  const first = rows.next()
  first.catch(() => {}) // It is awaited below.
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
