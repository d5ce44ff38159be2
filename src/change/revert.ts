import { SyncError } from '../errors.ts'
import type { Workspace } from '../folder/workspace.ts'
import { concerns } from '../log/bee/history.ts'
import { type Entry, sameEntry } from '../tree/entry.ts'
import { comparePaths, type TreePath } from '../tree/path.ts'
import { type Divergence, planPaths } from '../tree/plan.ts'
import type { Problem } from '../tree/tree.ts'
import { formerlyLogged, type LoggedFolder, unrecordedIn } from './formerly-logged.ts'
import { type LocalState, observeFolder } from './observe-folder.ts'
import { overwrite } from './overwrite.ts'
import { observePaths, putBack } from './restore.ts'

/** How long to wait for contents while nothing comes, in milliseconds. */
const patienceMs = 10_000

export interface RevertParams {
  /** A directory or one path; the folder itself when left out. */
  readonly path?: string
  /** Only lists what would be reverted. */
  readonly dryRun?: boolean
}

export type RevertRecord =
  /** A path that is reverted. `added` is one that a restore has brought back, and that the log no longer has. */
  | { readonly type: 'diverged'; readonly path: string; readonly kind: Divergence['kind'] | 'added' }
  | ({ readonly type: 'problem' } & Problem)
  | { readonly type: 'reverted'; readonly dryRun: boolean; readonly changes: number; readonly problems: number }

/**
 * Gives up the changes that were made in a mirror only: changed and deleted paths become what the log has, and files
 * that a restore has brought back and the log no longer has are removed. Files that never were in the log stay, as the
 * user's own. Call it inside a turn of the folder's queue.
 *
 * @throws {SyncError} NO_SUCH_PATH, HALTED, DISK_FULL, DAMAGED; the signal's reason
 */
export async function revert(
  host: LoggedFolder,
  { path, dryRun }: { readonly path: TreePath | ''; readonly dryRun: boolean },
  signal: AbortSignal
): Promise<readonly RevertRecord[]> {
  const records: RevertRecord[] = []
  const onProblem = (problem: Problem) => void records.push({ type: 'problem', ...problem })
  const recorded = recordedIn(host, path)
  const added = await addedTo(host, path, onProblem, signal)
  if (path !== '' && recorded.size === 0 && added.ours.size === 0) {
    throw new SyncError('NO_SUCH_PATH', `The mirror has no ${path} from its source`)
  }
  const diverged = await divergedIn(host, recorded, onProblem, signal)
  const kindOf = (at: TreePath) => diverged.get(at) ?? 'added'
  for (const at of [...diverged.keys(), ...added.ours.keys()].sort(comparePaths)) {
    records.push({ type: 'diverged', path: at, kind: kindOf(at) })
  }
  if (!dryRun && added.ours.size > 0) await remove(host, added, onProblem, signal)
  if (!dryRun && diverged.size > 0) {
    const { failed } = await overwrite(new Set(diverged.keys()), host, { mayGo: () => true, patienceMs, signal })
    for (const [at, message] of failed) onProblem({ path: at, action: 'write', message })
  }
  const problems = records.filter(({ type }) => type === 'problem').length
  records.push({ type: 'reverted', dryRun, changes: diverged.size + added.ours.size, problems })
  return records
}

interface Added {
  readonly state: LocalState
  readonly ours: ReadonlyMap<TreePath, Entry>
}

/** Files of the folder that the log once had and no longer has. */
async function addedTo(
  host: LoggedFolder,
  path: TreePath | '',
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<Added> {
  const unrecorded = await unrecordedIn(host, path, new Set(), signal)
  const paths = new Set(unrecorded.formerEntries.keys())
  const state = await observePaths(host, paths, new Map(), unrecorded, onProblem, signal)
  return { state, ours: await formerlyLogged(host.view, unrecorded, state.local) }
}

async function remove(
  host: LoggedFolder,
  { state, ours }: Added,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<void> {
  const target = new Map<TreePath, Entry>()
  const paths = [...ours.keys()].filter((path) => !state.unclear.has(path))
  const plan = planPaths({ base: state.local, local: state.local, target, paths, holderOf: () => undefined })
  await putBack(host, plan, state, { matched: ours, target }, { signal, onProblem, onConflict: () => {} })
}

function recordedIn({ baseline }: Workspace, path: TreePath | ''): ReadonlySet<TreePath> {
  const paths = new Set<TreePath>()
  for (const recorded of baseline.records.keys()) if (concerns(recorded, path)) paths.add(recorded)
  return paths
}

/** Recorded paths that differ from their record. */
async function divergedIn(
  { folder, baseline, traits }: Workspace,
  paths: ReadonlySet<TreePath>,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Divergence['kind']>> {
  const target = { get: (at: TreePath) => baseline.entry(at) }
  const input = { baseline, target, paths, full: false }
  const { local, unclear } = await observeFolder(folder.root, input, { signal, traits, onProblem })
  const diverged = new Map<TreePath, Divergence['kind']>()
  for (const at of paths) {
    const [have, want] = [local.get(at), baseline.entry(at)]
    if (unclear.has(at) || want === undefined) continue
    if (have === undefined) diverged.set(at, 'deleted')
    else if (isChanged(have, want)) diverged.set(at, 'changed')
  }
  return diverged
}

/** A directory's time says nothing: it changes with everything that happens in the directory. */
function isChanged(have: Entry, want: Entry): boolean {
  if (have.type === 'directory' && want.type === 'directory') return have.mode !== want.mode
  return !sameEntry(have, want)
}
