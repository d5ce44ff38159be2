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

/** An open folder, and its log. */
export type LoggedFolder = Workspace & { readonly view: LogView }

/** What stands in a folder at paths that nothing recorded is about. */
export interface UnrecordedPaths {
  /** What the log once said of those paths that may be the log's, as far as that can be told without reading them. */
  readonly formerEntries: ReadonlyMap<TreePath, readonly Entry[]>
  /** How many others there are: the user's own. */
  readonly others: number
}

/**
 * Finds what an earlier restore has brought, among all that isn't recorded: what the log once had at the same path. What
 * isn't selected isn't looked at, nor what the folder's rules leave out.
 *
 * @param path a directory or one path; all of the folder when empty
 * @param isKnown paths that are dealt with anyway
 */
export async function unrecordedIn(
  host: LoggedFolder,
  path: TreePath | '',
  isKnown: ReadonlySet<TreePath>,
  signal: AbortSignal
): Promise<UnrecordedPaths> {
  const found = await strangersIn(host, path, isKnown, signal)
  const once = new Map<TreePath, Entry[]>()
  try {
    for await (const [at, entry] of loggedAt(host.view, found, signal)) {
      if (!isLike(entry, found.get(at))) continue
      const entries = once.get(at)
      if (entries === undefined) once.set(at, [entry])
      else entries.push(entry)
    }
  } catch (error) {
    // What can't be told to be the log's is the user's own.
    if (!(error instanceof SyncError && error.code === 'NOT_HELD')) throw error
    once.clear()
  }
  return { formerEntries: once, others: found.size - once.size }
}

/**
 * Those of them that are the log's, with what it said: it holds the same content, and that can be had again. What `gc`
 * has made it forget is the user's own from then on.
 */
export async function formerlyLogged(
  view: LogView,
  { formerEntries: once }: UnrecordedPaths,
  local: TreeView
): Promise<ReadonlyMap<TreePath, Entry>> {
  const ours = new Map<TreePath, Entry>()
  for (const [path, entries] of once) {
    const have = local.get(path)
    const entry = entries.find((one) => have !== undefined && sameContent(have, one))
    if (entry !== undefined && (entry.type !== 'file' || (await view.holds(entry)))) ours.set(path, entry)
  }
  return ours
}

async function strangersIn(
  { folder, baseline, traits, rules, part = wholePart }: LoggedFolder,
  path: TreePath | '',
  isKnown: ReadonlySet<TreePath>,
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Seen>> {
  const where = path === '' ? {} : { dirty: new Map([[path, 'deep'] as const]) }
  // What of the user's own can't be read is no concern of ours.
  const { seen } = await scanFolder(folder.root, { ...where, ...(rules && { rules }), signal })
  // Under another spelling it may be what is recorded.
  const fold = (name: string) => foldName(name, traits)
  const known = new Set<string>()
  for (const paths of [isKnown, baseline.records.keys()]) for (const each of paths) known.add(fold(each))
  const strangers = new Map<TreePath, Seen>()
  for (const [at, what] of seen) {
    const isWanted = path !== '' || part.has(at, what.type)
    if (isWanted && concerns(at, path) && !known.has(fold(at))) strangers.set(at, what)
  }
  return strangers
}

/** What the log once said of some paths, up to now. */
export async function* loggedAt(
  view: LogView,
  paths: Pick<ReadonlyMap<TreePath, unknown>, 'has' | 'size'>,
  signal: AbortSignal
): AsyncGenerator<readonly [TreePath, Entry]> {
  const latest = paths.size === 0 ? undefined : await view.finished(signal)
  if (latest === undefined) return
  for await (const { changes } of view.versions(latest, { after: 0, path: '', newestFirst: false, signal })) {
    for (const [path, entry] of changes) if (entry !== undefined && paths.has(path)) yield [path, entry]
  }
}

/** Whether what is seen may be an entry, as far as it shows without being read. */
function isLike(entry: Entry, seen: Seen | undefined): boolean {
  if (entry.type === 'file' && seen?.type === 'file') return entry.size === seen.size
  return entry.type === seen?.type
}
