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
  /** As a user names it. */
  readonly version: string
  /** A directory or one path; the folder itself when left out. */
  readonly path?: string
  /** Only tells what would be done. */
  readonly dryRun?: boolean
}

/** Who restores something doesn't wait longer for what nobody sends, in milliseconds. */
const patienceMs = 10_000

export type RestoreRecord =
  /** What is done with a path, or would be. */
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
      /** Paths beneath it that stay though the version doesn't have them: the log never had them as they are. */
      readonly others: number
    }

/**
 * Brings a path of the folder, and all beneath it, to what a version had there. What stands there and was never in the
 * log is kept as a conflict copy; what the log has made goes, as it can be had again. Nothing of it is recorded: on a
 * mirror what was restored differs from the log from then on, at a source it becomes a new version. To be called in a turn.
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
  if (paths.size === 0 && unrecorded.formerEntries.size === 0)
    throw new SyncError('NO_SUCH_PATH', `Version ${version.length} has no ${path}, and neither has the folder`)
  for (const at of unrecorded.formerEntries.keys()) paths.add(at)
  const look = await lookFor(host, paths, target.entries, unrecorded, onProblem, signal)
  const ours = await formerlyLogged(host.view, unrecorded, look.local)
  const matched = await matchedWithLog(host, look, paths, { ours, target: target.entries }, signal)
  const plan = planFor(host, look, paths, { matched, target: target.entries })
  for (const step of plan.steps) records.push(recordOf(step))
  if (dryRun) for (const conflict of plan.conflicts) records.push({ type: 'conflict', path: conflict.path })
  else {
    const onConflict = (at: TreePath, keptAs: TreePath) => void records.push({ type: 'conflict', path: at, keptAs })
    await putBack(host, plan, look, { matched, target: target.entries }, { signal, onProblem, onConflict })
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
  /** With the directories above them. */
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
  // What isn't selected is restored where it is asked for by its name alone.
  const gathered = new PartOfTree(path === '' ? part : wholePart)
  for await (const [at, entry] of view.list(version, path, { recursive: true, onProblem })) {
    gathered.add(at, entry, () => true)
  }
  for (const [at, entry] of gathered.end()) entries.set(at, entry)
  const refused = refuseOrphans([...entries.keys()].sort(), (at) => entries.get(at), onProblem)
  for (const at of refused) entries.delete(at)
  return { entries, wanted: [...entries.keys()].filter((at) => concerns(at, path)) }
}

/** Looks at some paths, at those above them, and at what may be the log's though it isn't recorded. */
export function lookFor(
  { folder, baseline, traits }: LoggedFolder,
  paths: ReadonlySet<TreePath>,
  target: ReadonlyMap<TreePath, Entry>,
  { formerEntries: once }: UnrecordedPaths,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<LocalState> {
  const all = new Set(paths)
  for (const path of paths) for (const above of ancestorsOf(path)) all.add(above)
  const options = { signal, traits, onProblem, onRealigned: async () => {}, onScanned: () => {}, onRead: () => {} }
  return observeFolder(
    folder.root,
    { baseline, target, paths: all, full: false, mayBeOurs: (path) => once.has(path) },
    options
  )
}

interface Sides {
  /** What the log said of what stands there now, where it ever did. */
  readonly matched: ReadonlyMap<TreePath, Entry>
  readonly target: ReadonlyMap<TreePath, Entry>
}

/** What the log has, will have or once had of what the folder holds. */
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

/** The usual plan, for which whatever the log has ever said of a path counts as ours. */
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

/** Carries out a plan of which nothing is recorded. @throws {SyncError} HALTED, DISK_FULL, DAMAGED; the signal's reason */
export async function putBack(
  host: LoggedFolder,
  plan: Plan,
  look: LocalState,
  { matched, target }: Sides,
  { signal, onProblem, onConflict }: Required<Pick<ApplyPlanOptions, 'signal' | 'onProblem' | 'onConflict'>>
): Promise<void> {
  if (plan.steps.length === 0) return
  const { folder, staging, workers, baseline, monitor, replacedFiles: keeper } = host
  const observed = observedOf(plan, look.seen)
  const common = { folder, staging, workers, monitor, steps: plan.steps, observed }
  const changed = await applyPlan(
    {
      ...common,
      target: { get: (path) => target.get(path) ?? baseline.entry(path) },
      conflicts: new Set(plan.conflicts.map(({ path }) => path)),
      keeping: keeper.of({ base: matched, local: look.local, observed }, baseline),
      content: await host.content(patienceMs)
    },
    // What a version had once isn't what the log has now.
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
