import { SyncError } from '../errors.ts'
import { assertMarker } from '../folder/folder.ts'
import { concerns } from '../log/bee/history.ts'
import { type Entry, sameContent } from '../tree/entry.ts'
import { refuseOrphans } from '../tree/orphans.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { type Plan, planPaths, type Step } from '../tree/plan.ts'
import { PartOfTree, wholePart } from '../tree/select.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { type ApplyPlanOptions, applyPlan } from './apply-plan.ts'
import { formerlyLogged, type LoggedFolder, loggedAt, type UnrecordedPaths, unrecordedIn } from './formerly-logged.ts'
import { type LocalState, observedOf, observeFolder } from './observe-folder.ts'

export interface RestoreParams {
  /** A number, `-1`, a time or an age. */
  readonly version: string
  /** A directory or one path; the folder itself when left out. */
  readonly path?: string
  /** Only lists what would be done. */
  readonly dryRun?: boolean
}

/** How long to wait for contents while nothing comes, in milliseconds. */
const patienceMs = 10_000

export type RestoreRecord =
  /** A step that is applied, or would be in a dry run. */
  | {
      readonly type: 'step'
      readonly op: Step['op']
      readonly path: string
      readonly from?: string
      readonly size?: number
    }
  | { readonly type: 'conflict'; readonly path: string; readonly keptAs?: string }
  | ({ readonly type: 'problem' } & Problem)
  | {
      readonly type: 'restored'
      readonly version: number
      readonly dryRun: boolean
      readonly changes: number
      readonly conflicts: number
      readonly problems: number
      /** Paths that stay though the version doesn't have them: the log never had what they hold. */
      readonly others: number
    }

/**
 * Gives a path of the folder, and all beneath it, the content that a version had there. A present file that was never
 * in the log is kept as a conflict copy; one that the log has had is replaced, as the log can give it again. The
 * baseline stays as it is: on a mirror the restored paths diverge from the log, at a source they become a new version.
 * Call it inside a turn of the folder's queue.
 *
 * @throws {SyncError} NO_SUCH_PATH, HALTED, DISK_FULL, DAMAGED; the signal's reason
 */
export async function restore(
  host: LoggedFolder,
  version: Version,
  { path, dryRun }: { readonly path: TreePath | ''; readonly dryRun: boolean },
  signal: AbortSignal
): Promise<readonly RestoreRecord[]> {
  assertMarker(host.folder)
  const records: RestoreRecord[] = []
  const onProblem = (problem: Problem) => void records.push({ type: 'problem', ...problem })
  const target = await targetOf(host, version, path, onProblem)
  const paths = new Set<TreePath>(target.wanted)
  for (const recorded of host.baseline.records.keys()) if (concerns(recorded, path)) paths.add(recorded)
  const unrecorded = await unrecordedIn(host, path, new Set(target.entries.keys()), signal)
  if (paths.size === 0 && unrecorded.formerEntries.size === 0) {
    throw new SyncError('NO_SUCH_PATH', `Version ${version.length} has no ${path}, and neither has the folder`)
  }
  for (const at of unrecorded.formerEntries.keys()) paths.add(at)
  const state = await observePaths(host, paths, target.entries, unrecorded, onProblem, signal)
  const ours = await formerlyLogged(host.view, unrecorded, state.local)
  const matched = await matchedWithLog(host, state, paths, { ours, target: target.entries }, signal)
  const plan = planFor(host, state, paths, { matched, target: target.entries })
  for (const step of plan.steps) records.push(recordOf(step))
  if (dryRun) for (const conflict of plan.conflicts) records.push({ type: 'conflict', path: conflict.path })
  else {
    const onConflict = (at: TreePath, keptAs: TreePath) => void records.push({ type: 'conflict', path: at, keptAs })
    await putBack(host, plan, state, { matched, target: target.entries }, { signal, onProblem, onConflict })
  }
  const count = (type: RestoreRecord['type']) => records.filter((record) => record.type === type).length
  records.push({
    type: 'restored',
    version: version.length,
    dryRun,
    changes: plan.steps.length,
    conflicts: count('conflict'),
    problems: count('problem'),
    others: unrecorded.others + unrecorded.formerEntries.size - ours.size
  })
  return records
}

interface Target {
  /** The wanted entries, and the directories above them. */
  readonly entries: ReadonlyMap<TreePath, Entry>
  readonly wanted: readonly TreePath[]
}

async function targetOf(
  { view, part = wholePart }: LoggedFolder,
  version: Version,
  path: TreePath | '',
  onProblem: (problem: Problem) => void
): Promise<Target> {
  const entries = new Map<TreePath, Entry>()
  const above = path === '' ? [] : [...ancestorsOf(path), path]
  for (const each of above) {
    const entry = await view.entry(version, each)
    if (entry !== undefined) entries.set(each, entry)
  }
  // A path outside the selection is restored only by its own name.
  const gathered = new PartOfTree(path === '' ? part : wholePart)
  for await (const [at, entry] of view.list(version, path, { recursive: true, onProblem })) {
    gathered.add(at, entry, () => true)
  }
  for (const [at, entry] of gathered.end()) entries.set(at, entry)
  const refused = refuseOrphans([...entries.keys()].sort(), (at) => entries.get(at), onProblem)
  for (const at of refused) entries.delete(at)
  return { entries, wanted: [...entries.keys()].filter((at) => concerns(at, path)) }
}

/** Observes some paths and the directories above them, and reads those unrecorded files that may be the log's. */
export function observePaths(
  { folder, baseline, traits }: LoggedFolder,
  paths: ReadonlySet<TreePath>,
  target: ReadonlyMap<TreePath, Entry>,
  { formerEntries }: UnrecordedPaths,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<LocalState> {
  const all = new Set(paths)
  for (const path of paths) for (const above of ancestorsOf(path)) all.add(above)
  return observeFolder(
    folder.root,
    { baseline, target, paths: all, full: false, mayBeOurs: (path) => formerEntries.has(path) },
    { signal, traits, onProblem }
  )
}

interface Sides {
  /** The entry of the log for the present file of each path, where the log ever had it. */
  readonly matched: ReadonlyMap<TreePath, Entry>
  readonly target: ReadonlyMap<TreePath, Entry>
}

/** Finds the log's entries for the present files: of the baseline, of the target, or of any earlier version. */
async function matchedWithLog(
  { baseline, view }: LoggedFolder,
  { local }: LocalState,
  paths: ReadonlySet<TreePath>,
  { ours, target }: { readonly ours: ReadonlyMap<TreePath, Entry>; readonly target: ReadonlyMap<TreePath, Entry> },
  signal: AbortSignal
): Promise<ReadonlyMap<TreePath, Entry>> {
  const matched = new Map(ours)
  const unknown = new Set<TreePath>()
  for (const path of paths) {
    const have = local.get(path)
    if (have === undefined || matched.has(path)) continue
    const entry = [baseline.entry(path), target.get(path)].find((one) => sameContent(have, one))
    if (entry !== undefined) matched.set(path, entry)
    else if (baseline.entry(path) !== undefined || target.has(path)) unknown.add(path)
  }
  for await (const [path, entry] of loggedAt(view, unknown, signal)) {
    if (sameContent(local.get(path), entry)) matched.set(path, entry)
  }
  return matched
}

/** The usual plan, with every file that the log ever had at its path taken for ours. */
function planFor(
  { baseline }: LoggedFolder,
  { local, unclear }: LocalState,
  paths: ReadonlySet<TreePath>,
  sides: Sides
): Plan {
  const { matched, target } = sides
  return planPaths({
    base: { get: (path) => (matched.has(path) ? local.get(path) : undefined) },
    local,
    target,
    paths: [...paths].filter((path) => !unclear.has(path)),
    holderOf: (hash) => baseline.holderOf(hash)
  })
}

/** Applies a plan, and records nothing of it. @throws {SyncError} HALTED, DISK_FULL, DAMAGED; the signal's reason */
export async function putBack(
  host: LoggedFolder,
  plan: Plan,
  state: LocalState,
  { matched, target }: Sides,
  { signal, onProblem, onConflict }: Required<Pick<ApplyPlanOptions, 'signal' | 'onProblem' | 'onConflict'>>
): Promise<void> {
  if (plan.steps.length === 0) return
  const { folder, staging, workers, baseline, monitor, replacedFiles } = host
  const observed = observedOf(plan, state.seen)
  const changed = await applyPlan(
    {
      folder,
      staging,
      workers,
      monitor,
      steps: plan.steps,
      observed,
      target: { get: (path) => target.get(path) ?? baseline.entry(path) },
      conflicts: new Set(plan.conflicts.map(({ path }) => path)),
      keeping: replacedFiles.of({ base: matched, local: state.local, observed }, baseline),
      content: await host.content(patienceMs)
    },
    // The baseline records what the log has now, which a former version isn't.
    { signal, onApplied: async () => {}, onProblem, onConflict }
  )
  host.touched()
  for (const path of changed) onProblem({ path, action: 'write', message: 'It was changed meanwhile. Try again' })
}

function recordOf(step: Step): RestoreRecord {
  const { op, path, entry } = step
  const size = entry.type === 'file' && op !== 'remove' ? { size: entry.size } : {}
  return { type: 'step', op, path, ...(op === 'move' ? { from: step.from } : {}), ...size }
}
