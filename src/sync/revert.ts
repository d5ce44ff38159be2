import { SyncError } from '../errors.ts'
import { concerns } from '../log/history.ts'
import { sameEntry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Divergence } from '../tree/plan.ts'
import type { Problem } from '../tree/tree.ts'
import { lookAt } from './look.ts'
import { overwrite } from './overwrite.ts'
import type { Workspace } from './workspace.ts'

/** For what nobody sends it doesn't wait longer, in milliseconds. */
const patienceMs = 10_000

export interface RevertParams {
  /** A directory or one path; the folder itself when left out. */
  readonly path?: string
  /** Only tells what would go. */
  readonly dryRun?: boolean
}

export type RevertRecord =
  /** What differs here, and goes. */
  | { readonly type: 'diverged'; readonly path: string; readonly kind: Divergence['kind'] }
  | ({ readonly type: 'problem' } & Problem)
  | { readonly type: 'reverted'; readonly dryRun: boolean; readonly changes: number; readonly problems: number }

/**
 * Makes what was changed in a mirror alone as the log has it again; the changes go. What isn't the log's stays, as the
 * user's own. To be called in a turn.
 *
 * @throws {SyncError} HALTED, DISK_FULL, DAMAGED; the signal's reason
 */
export async function revert(
  workspace: Workspace,
  { path, dryRun }: { readonly path: TreePath | ''; readonly dryRun: boolean },
  signal: AbortSignal
): Promise<readonly RevertRecord[]> {
  const records: RevertRecord[] = []
  const onProblem = (problem: Problem) => void records.push({ type: 'problem', ...problem })
  const diverged = await divergedIn(workspace, path, onProblem, signal)
  for (const [at, kind] of diverged) records.push({ type: 'diverged', path: at, kind })
  if (!dryRun && diverged.size > 0) {
    const options = { mayGo: () => true, patienceMs, signal, onActive: () => {} }
    const { failed } = await overwrite(new Set(diverged.keys()), workspace, options)
    for (const [at, message] of failed) onProblem({ path: at, action: 'write', message })
  }
  const problems = records.filter(({ type }) => type === 'problem').length
  records.push({ type: 'reverted', dryRun, changes: diverged.size, problems })
  return records
}

/** Recorded paths that aren't as they are recorded. */
async function divergedIn(
  { folder, baseline, traits }: Workspace,
  path: TreePath | '',
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Divergence['kind']>> {
  const paths = new Set<TreePath>()
  for (const recorded of baseline.records.keys()) if (concerns(recorded, path)) paths.add(recorded)
  if (path !== '' && paths.size === 0) throw new SyncError('NO_SUCH_PATH', `The mirror has no ${path} from its source`)
  const target = { get: (at: TreePath) => baseline.entry(at) }
  const options = { signal, traits, onProblem, onRealigned: async () => {}, onScanned: () => {}, onRead: () => {} }
  const { local, unclear } = await lookAt(folder.root, { baseline, target, paths, full: false }, options)
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
