import { SyncError } from '../errors.ts'
import { concerns } from '../log/history.ts'
import type { LogView } from '../log/log-view.ts'
import { type Entry, sameContent } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { type Plan, planPaths, type Step } from '../tree/plan.ts'
import { PartOfTree, wholePart } from '../tree/select.ts'
import { refuseHomeless } from '../tree/target.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { carryOut } from './carry-out.ts'
import { assertMarker } from './folder.ts'
import { type Look, lookAt, observedOf } from './look.ts'
import type { Workspace } from './workspace.ts'

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

/** An open folder, and its log. */
type Host = Workspace & { readonly view: LogView }

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
    }

/**
 * Brings a path of the folder, and all beneath it, to what a version had there. What stands there and was never in the
 * log is kept as a conflict copy; what the log has made goes, as it can be had again. Nothing of it is recorded: on a
 * mirror what was restored differs from the log from then on, at a source it becomes a new version. To be called in a turn.
 *
 * @throws {SyncError} NO_SUCH_PATH, HALTED, DISK_FULL, DAMAGED; the signal's reason
 */
export async function restore(
  host: Host,
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
  if (paths.size === 0)
    throw new SyncError('NO_SUCH_PATH', `Version ${version.length} has no ${path}, and neither has the folder`)
  const look = await lookFor(host, paths, target.entries, onProblem, signal)
  const plan = await planFor(host, look, paths, target.entries, signal)
  for (const step of plan.steps) records.push(recordOf(step))
  if (dryRun) for (const conflict of plan.conflicts) records.push({ type: 'conflict', path: conflict.path })
  else await putBack(host, plan, look, target.entries, records, signal)
  const count = (type: RestoreRecord['type']) => records.filter((record) => record.type === type).length
  records.push({
    type: 'restored',
    version: version.length,
    dryRun,
    changes: plan.steps.length,
    conflicts: count('conflict'),
    problems: count('problem')
  })
  return records
}

interface Target {
  /** With the directories above them. */
  readonly entries: ReadonlyMap<TreePath, Entry>
  readonly wanted: readonly TreePath[]
}

async function targetOf(
  { view, part = wholePart }: Host,
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
  const refused = refuseHomeless([...entries.keys()].sort(), (at) => entries.get(at), onProblem)
  for (const at of refused) entries.delete(at)
  return { entries, wanted: [...entries.keys()].filter((at) => concerns(at, path)) }
}

function lookFor(
  { folder, baseline, traits }: Host,
  paths: ReadonlySet<TreePath>,
  target: ReadonlyMap<TreePath, Entry>,
  onProblem: (problem: Problem) => void,
  signal: AbortSignal
): Promise<Look> {
  const all = new Set(paths)
  for (const path of paths) for (const above of ancestorsOf(path)) all.add(above)
  const options = { signal, traits, onProblem, onRealigned: async () => {}, onScanned: () => {}, onRead: () => {} }
  return lookAt(folder.root, { baseline, target, paths: all, full: false }, options)
}

/** The usual plan, for which whatever the log has ever said of a path counts as ours. */
async function planFor(
  { baseline, view }: Host,
  { local, unclear }: Look,
  paths: ReadonlySet<TreePath>,
  target: ReadonlyMap<TreePath, Entry>,
  signal: AbortSignal
): Promise<Plan> {
  const unknown = new Set<TreePath>()
  for (const path of paths) {
    const have = local.get(path)
    const isKnown = have === undefined || sameContent(have, baseline.entry(path)) || sameContent(have, target.get(path))
    if (!isKnown) unknown.add(path)
  }
  for await (const path of loggedOnce(view, unknown, (path, entry) => sameContent(local.get(path), entry), signal)) {
    unknown.delete(path)
  }
  return planPaths({
    base: { get: (path) => (unknown.has(path) ? undefined : local.get(path)) },
    local,
    target,
    paths: [...paths].filter((path) => !unclear.has(path)),
    holderOf: (hash) => baseline.holderOf(hash)
  })
}

/** Those of some paths of which the log once said what stands there now. */
async function* loggedOnce(
  view: LogView,
  paths: ReadonlySet<TreePath>,
  isIt: (path: TreePath, entry: Entry) => boolean,
  signal: AbortSignal
): AsyncGenerator<TreePath> {
  const latest = paths.size === 0 ? undefined : await view.finished(signal)
  if (latest === undefined) return
  for await (const { changes } of view.versions(latest, { after: 0, path: '', newestFirst: false, signal })) {
    for (const [path, entry] of changes) if (entry !== undefined && paths.has(path) && isIt(path, entry)) yield path
  }
}

async function putBack(
  host: Host,
  plan: Plan,
  look: Look,
  target: ReadonlyMap<TreePath, Entry>,
  records: RestoreRecord[],
  signal: AbortSignal
): Promise<void> {
  if (plan.steps.length === 0) return
  const { folder, staging, workers, baseline, monitor, keeper } = host
  const observed = observedOf(plan, look.seen)
  const common = { folder, staging, workers, monitor, steps: plan.steps, observed }
  const changed = await carryOut(
    {
      ...common,
      target: { get: (path) => target.get(path) ?? baseline.entry(path) },
      conflicts: new Set(plan.conflicts.map(({ path }) => path)),
      keeping: keeper.of({ base: { get: (path) => baseline.entry(path) }, local: look.local, observed }, baseline),
      content: await host.content(patienceMs)
    },
    {
      signal,
      // What a version had once isn't what the log has now.
      onApplied: async () => {},
      onProblem: (problem) => void records.push({ type: 'problem', ...problem }),
      onConflict: (path, keptAs) => void records.push({ type: 'conflict', path, keptAs })
    }
  )
  host.touched()
  for (const path of changed) {
    records.push({ type: 'problem', path, action: 'write', message: 'It was changed meanwhile. Try again' })
  }
}

function recordOf(step: Step): RestoreRecord {
  const { op, path, entry } = step
  const size = entry.type === 'file' && op !== 'remove' ? { size: entry.size } : {}
  return { type: 'step', op, path, ...(op === 'move' ? { from: step.from } : {}), ...size }
}
