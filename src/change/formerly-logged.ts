import { scanFolder } from '../disk/read/scan.ts'
import { SyncError } from '../errors.ts'
import type { Workspace } from '../folder/workspace.ts'
import { concerns } from '../log/bee/history.ts'
import type { LogView } from '../log/log-view.ts'
import type { Seen } from '../tree/diff.ts'
import { type Entry, sameContent } from '../tree/entry.ts'
import { foldName } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import { wholePart } from '../tree/select.ts'
import type { TreeView } from '../tree/tree.ts'

/** The versions of a log, as far as a restore uses them. `LogView` has them for one log. */
export type LoggedVersions = Pick<LogView, 'finished' | 'versions' | 'list' | 'entry' | 'holds'>

/** An open folder, and its log. */
export type LoggedFolder = Workspace & { readonly view: LoggedVersions }

/** Paths of a folder that the baseline doesn't have. */
export interface UnrecordedPaths {
  /** The entries that the log once had at the paths whose present file may be the log's: type and size match. */
  readonly formerEntries: ReadonlyMap<TreePath, readonly Entry[]>
  /** The number of other paths: the user's own. */
  readonly others: number
}

/**
 * Finds the files that an earlier restore has brought: among the paths that aren't recorded, those that the log once
 * had. Paths outside the selection are left out, and so are those that the folder's rules ignore.
 *
 * @param path a directory or one path; all of the folder when empty
 * @param isKnown further paths to leave out
 */
export async function unrecordedIn(
  host: LoggedFolder,
  path: TreePath | '',
  isKnown: ReadonlySet<TreePath>,
  signal: AbortSignal
): Promise<UnrecordedPaths> {
  const found = await unrecordedPathsIn(host, path, isKnown, signal)
  const formerEntries = new Map<TreePath, Entry[]>()
  try {
    for await (const [at, entry] of loggedAt(host.view, found, signal)) {
      if (!isLike(entry, found.get(at))) continue
      const entries = formerEntries.get(at)
      if (entries === undefined) formerEntries.set(at, [entry])
      else entries.push(entry)
    }
  } catch (error) {
    // Without the log's history, every file counts as the user's own.
    if (!(error instanceof SyncError && error.code === 'NOT_HELD')) throw error
    formerEntries.clear()
  }
  return { formerEntries, others: found.size - formerEntries.size }
}

/**
 * The unrecorded paths that are the log's, each with its former entry: the content is the same, and the log still holds
 * it. A content that `gc` has cleared is the user's own from then on.
 */
export async function formerlyLogged(
  view: Pick<LoggedVersions, 'holds'>,
  { formerEntries }: UnrecordedPaths,
  local: TreeView
): Promise<ReadonlyMap<TreePath, Entry>> {
  const ours = new Map<TreePath, Entry>()
  for (const [path, entries] of formerEntries) {
    const have = local.get(path)
    const entry = entries.find((one) => have !== undefined && sameContent(have, one))
    if (entry !== undefined && (entry.type !== 'file' || (await view.holds(entry)))) ours.set(path, entry)
  }
  return ours
}

async function unrecordedPathsIn(
  { folder, baseline, traits, rules, part = wholePart }: LoggedFolder,
  path: TreePath | '',
  isKnown: ReadonlySet<TreePath>,
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Seen>> {
  const dirty = path === '' ? {} : { dirty: new Map([[path, 'deep'] as const]) }
  // An unreadable file of the user's own concerns nobody.
  const { seen } = await scanFolder(folder.root, { ...dirty, ...(rules && { rules }), signal })
  // The same name in another spelling may be a recorded path.
  const fold = (name: string) => foldName(name, traits)
  const known = new Set<string>()
  for (const paths of [isKnown, baseline.records.keys()]) for (const each of paths) known.add(fold(each))
  const unrecorded = new Map<TreePath, Seen>()
  for (const [at, found] of seen) {
    const isWanted = path !== '' || part.has(at, found.type)
    if (isWanted && concerns(at, path) && !known.has(fold(at))) unrecorded.set(at, found)
  }
  return unrecorded
}

/** Every entry that the log ever had at some paths, the oldest first. */
export async function* loggedAt(
  view: Pick<LoggedVersions, 'finished' | 'versions'>,
  paths: Pick<ReadonlyMap<TreePath, unknown>, 'has' | 'size'>,
  signal: AbortSignal
): AsyncGenerator<readonly [TreePath, Entry]> {
  const latest = paths.size === 0 ? undefined : await view.finished(signal)
  if (latest === undefined) return
  for await (const { changes } of view.versions(latest, { after: 0, path: '', newestFirst: false, signal })) {
    for (const [path, entry] of changes) if (entry !== undefined && paths.has(path)) yield [path, entry]
  }
}

/** Whether a seen file may be an entry, as far as that shows without reading the file. */
function isLike(entry: Entry, seen: Seen | undefined): boolean {
  if (entry.type === 'file' && seen?.type === 'file') return entry.size === seen.size
  return entry.type === seen?.type
}
