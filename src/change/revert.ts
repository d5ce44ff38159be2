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
import { lookFor, putBack } from './restore.ts'

/** For what nobody sends it doesn't wait longer, in milliseconds. */
const patienceMs = 10_000

export interface RevertParams {
  /** A directory or one path; the folder itself when left out. */
  readonly path?: string
  /** Only tells what would go. */
  readonly dryRun?: boolean
}

export type RevertRecord =
  /** What differs here, and goes. `added` is what the log had once, and a restore has brought back. */
  | { readonly type: 'diverged'; readonly path: string; readonly kind: Divergence['kind'] | 'added' }
  | ({ readonly type: 'problem' } & Problem)
  | { readonly type: 'reverted'; readonly dryRun: boolean; readonly changes: number; readonly problems: number }

/**
 * Makes what was changed in a mirror alone as the log has it again; the changes go, and so does what a restore has
 * brought that the log doesn't have any more. What never was the log's stays, as the user's own. To be called in a turn.
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
    const options = { mayGo: () => true, patienceMs, signal, onActive: () => {} }
    const { failed } = await overwrite(new Set(diverged.keys()), host, options)
    for (const [at, message] of failed) onProblem({ path: at, action: 'write', message })
  }
  const problems = records.filter(({ type }) => type === 'problem').length
  records.push({ type: 'reverted', dryRun, changes: diverged.size + added.ours.size, problems })
  return records
}

interface Added {
  readonly look: LocalState
  readonly ours: ReadonlyMap<TreePath, Entry>
}

/** What stands here, isn't in the log any more, and was in it once. */
async function addedTo(
  host: LoggedFolder,
  path: TreePath | '',
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<Added> {
  const unrecorded = await unrecordedIn(host, path, new Set(), signal)
  const look = await lookFor(host, new Set(unrecorded.formerEntries.keys()), new Map(), unrecorded, onProblem, signal)
  return { look, ours: await formerlyLogged(host.view, unrecorded, look.local) }
}

async function remove(
  host: LoggedFolder,
  { look, ours }: Added,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<void> {
  const target = new Map<TreePath, Entry>()
  const paths = [...ours.keys()].filter((path) => !look.unclear.has(path))
  const plan = planPaths({ base: look.local, local: look.local, target, paths, holderOf: () => undefined })
  await putBack(host, plan, look, { matched: ours, target }, { signal, onProblem, onConflict: () => {} })
}

function recordedIn({ baseline }: Workspace, path: TreePath | ''): ReadonlySet<TreePath> {
  const paths = new Set<TreePath>()
  for (const recorded of baseline.records.keys()) if (concerns(recorded, path)) paths.add(recorded)
  return paths
}

/** Recorded paths that aren't as they are recorded. */
async function divergedIn(
  { folder, baseline, traits }: Workspace,
  paths: ReadonlySet<TreePath>,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Divergence['kind']>> {
  const target = { get: (at: TreePath) => baseline.entry(at) }
  const options = { signal, traits, onProblem, onRealigned: async () => {}, onScanned: () => {}, onRead: () => {} }
  const { local, unclear } = await observeFolder(folder.root, { baseline, target, paths, full: false }, options)
  const diverged = new Map<TreePath, Divergence['kind']>()
  for (const at of paths) {
    const [have, want] = [local.get(at), baseline.entry(at)]
    if (unclear.has(at) || want === undefined) continue
    if (have === undefined) diverged.set(at, 'deleted')
    // A directory's time changes with whatever happens in it.
    else if (have.type === 'directory' && want.type === 'directory' ? have.mode !== want.mode : !sameEntry(have, want))
      diverged.set(at, 'changed')
  }
  return diverged
}
