import { debuglog } from 'node:util'
import { settledBy } from '../baseline/baseline.ts'
import { applyPlan } from '../change/apply-plan.ts'
import { type LocalState, observedOf, observeFolder } from '../change/observe-folder.ts'
import { reached } from '../failpoints.ts'
import { assertMarker } from '../folder/folder.ts'
import type { Workspace } from '../folder/workspace.ts'
import { foldsNames } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import type { Plan, PlanInput } from '../tree/plan.ts'
import type { Part } from '../tree/select.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { fetchProgress } from './fetch-progress.ts'
import type { FollowedLog } from './followed-log.ts'
import { changedTarget, type MirrorTarget, wholeTarget } from './mirror-target.ts'
import { PassStalled } from './pass-watchdog.ts'
import type { PendingPaths } from './pending-paths.ts'
import { type PlanWithBase, planOver, type UnrecordedWrites } from './unrecorded-writes.ts'

const trace = debuglog('p2psync:mirror')

/** Which paths a pass is about. */
export type PassScope =
  /** The whole folder. `complete` is the version that the baseline stands for to the last path, where there is one. */
  | { readonly full: true; readonly complete: Version | undefined }
  /** The paths that changed since `applied`, and pending ones. */
  | { readonly full: false; readonly applied: Version }

/** The part of an open folder that a pass works with. */
export type PassWorkspace = Pick<
  Workspace,
  'folder' | 'monitor' | 'staging' | 'workers' | 'replacedFiles' | 'baseline' | 'traits' | 'content' | 'record'
> & { readonly part: Part }

export interface ApplyVersionInput {
  readonly workspace: PassWorkspace
  readonly log: Pick<FollowedLog, 'version' | 'head' | 'changes' | 'entriesAt' | 'entryAt'>
  /** The version to apply. What its entries need is here. */
  readonly version: Version
  readonly scope: PassScope
  readonly pending: Pick<PendingPaths, 'entries'>
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** Whether to try paths again at once whose content no peer sends: of an old version it may never come. */
  readonly retriesMissing: boolean
  /** Whether an earlier run may have written to the folder without a record. */
  readonly mayHoldUnrecorded: boolean
}

export interface ApplyVersionOptions {
  /** Ends the pass while it waits for peers. */
  readonly signal: AbortSignal
  /** Ends the scan of the folder, which goes on when only the pass is given up. */
  readonly closing: AbortSignal
  readonly readUnrecorded: () => Promise<UnrecordedWrites>
  /** Called with the plan before anything is written. */
  readonly onPlanned: (plan: Plan) => void
  /** Called before the first write to the folder. */
  readonly onWriting: () => Promise<void>
  /** Called now and then while the pass makes progress. */
  readonly onActive: () => void
  /** Called when the writing begins, with whether it waits for peers at the moment. @returns a function for its end */
  readonly onWork: (waitsForPeers: () => boolean) => () => void
}

/** The result of a pass. */
export interface Outcome {
  readonly plan: Plan
  /** The paths that the pass planned for. */
  readonly paths: ReadonlySet<TreePath>
  readonly target: MirrorTarget
  /** Paths that are not as the version wants them, and may be after another try. */
  readonly failed: ReadonlySet<TreePath>
  /** Those of them that changed while they were written, or whose content no peer sent: worth another try at once. */
  readonly changed: ReadonlySet<TreePath>
  /** Paths that the version has wrong: no try makes them better. */
  readonly refused: ReadonlySet<string>
  /** How long it took to observe the folder, in milliseconds. */
  readonly observeMs: number
}

/**
 * Makes the folder what a version wants: observes the folder, plans, applies the plan, and records what was applied.
 *
 * @returns `undefined` where the version wants nothing new
 * @throws {PassStalled} when the log has got another fork; {SyncError} HALTED, DISK_FULL, DAMAGED; {UnfitSnapshot}; the
 *   signal's reason
 */
export async function applyVersion(
  input: ApplyVersionInput,
  options: ApplyVersionOptions
): Promise<Outcome | undefined> {
  const { workspace, version, scope, log } = input
  const { baseline, record } = workspace
  // Fetching the entries may have taken long: the disk may have gone, the log may have another fork.
  assertMarker(workspace.folder)
  if (log.version?.fork !== version.fork) throw new PassStalled('The log has another fork')
  const target = await targetOf(input, options)
  trace('%d paths to plan for', target.paths.size)
  reached('target-made')
  if (!scope.full && target.paths.size === 0) return undefined
  const unrecorded = input.mayHoldUnrecorded && scope.full ? await options.readUnrecorded() : undefined
  const startMs = performance.now()
  const local = await observe(input, target, unrecorded, options)
  const observeMs = performance.now() - startMs
  // Under a file system that folds names, recorded paths may have got other names since.
  const paths = foldsNames(workspace.traits) ? new Set([...target.paths, ...baseline.records.keys()]) : target.paths
  const planInput = planInputOf(workspace, local, target, [...paths, ...(unrecorded?.paths ?? [])])
  const plan = await planOver(planInput, unrecorded, options.readUnrecorded)
  trace('%d steps, %d conflicts, %d diverged', plan.steps.length, plan.conflicts.length, plan.diverged.length)
  reached('planned')
  await record(settledBy(plan, { target: target.tree, signatures: local.signatures, records: baseline.records }))
  reached('settled')
  options.onPlanned(plan)
  const applied = await apply(input, plan, target, local, options)
  trace('done, %d paths failed, %d changed meanwhile', applied.failed.size, applied.changed.size)
  return {
    plan,
    paths,
    target,
    failed: new Set([...applied.failed, ...applied.changed, ...local.unclear]),
    changed: applied.changed,
    refused: new Set([...target.refused, ...applied.wrong]),
    observeMs
  }
}

async function targetOf(
  { workspace, log, version, scope, pending, safeLinks }: ApplyVersionInput,
  { signal, onActive }: ApplyVersionOptions
): Promise<MirrorTarget> {
  const { baseline, traits, part, monitor } = workspace
  const input = {
    log,
    baseline,
    version,
    head: await log.head(version, signal),
    traits,
    safeLinks,
    part,
    signal,
    onProblem: (problem: Problem) => monitor.problem(problem),
    onActive
  }
  return scope.full ? wholeTarget(input, scope.complete) : changedTarget(input, scope.applied, pending.entries)
}

function observe(
  { workspace, scope }: ApplyVersionInput,
  { tree, paths }: MirrorTarget,
  unrecorded: UnrecordedWrites | undefined,
  { closing, onActive }: ApplyVersionOptions
): Promise<LocalState> {
  const { folder, baseline, traits, monitor, record } = workspace
  const mayBeOurs = unrecorded && ((path: TreePath) => unrecorded.has(path))
  return observeFolder(
    folder.root,
    { baseline, target: tree, paths, full: scope.full, mayBeOurs },
    {
      signal: closing,
      traits,
      onRealigned: (moved) => record(baseline.renamed(moved)),
      onProblem: (problem) => monitor.problem(problem),
      onScanned: (files) => {
        onActive()
        monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
      },
      onRead: onActive
    }
  )
}

function planInputOf(
  { baseline }: PassWorkspace,
  { local, isUnchanged, unclear }: LocalState,
  { tree, isRecorded }: MirrorTarget,
  paths: Iterable<TreePath>
): PlanInput {
  const isDone = (path: TreePath) => isUnchanged(path) && isRecorded(path)
  return {
    base: { get: (path) => baseline.entry(path) },
    local,
    target: tree,
    paths: new Set([...paths].filter((path) => !unclear.has(path) && !isDone(path))),
    holderOf: (hash) => baseline.holderOf(hash)
  }
}

interface Applied {
  readonly failed: ReadonlySet<TreePath>
  readonly changed: ReadonlySet<TreePath>
  /** Paths whose contents aren't those that the log promises: another try has to wait for another version. */
  readonly wrong: ReadonlySet<TreePath>
}

async function apply(
  { workspace, retriesMissing }: ApplyVersionInput,
  plan: PlanWithBase,
  target: MirrorTarget,
  { local, seen }: LocalState,
  { signal, onWriting, onActive, onWork }: ApplyVersionOptions
): Promise<Applied> {
  const [failed, wrong, missing] = [new Set<TreePath>(), new Set<TreePath>(), new Set<TreePath>()]
  const { folder, staging, workers, monitor, baseline, replacedFiles, record } = workspace
  const observed = observedOf(plan, seen)
  const keeping = replacedFiles.of({ base: plan.base, local, observed }, baseline)
  if (plan.steps.length === 0) return { failed, changed: new Set(), wrong }
  await onWriting()
  const content = await workspace.content()
  const progress = fetchProgress(plan, monitor)
  const endWork = onWork(() => content.isWaiting)
  const changed = await applyPlan(
    {
      folder,
      staging,
      workers,
      monitor,
      steps: plan.steps,
      target: target.tree,
      observed,
      conflicts: new Set(plan.conflicts.map(({ path }) => path)),
      keeping,
      content
    },
    {
      signal,
      onApplied: async (applied) => {
        await record(applied)
        const count = applied.put.size + applied.removed.size
        if (count > 0) progress.files(count)
      },
      onProblem: (problem) => {
        monitor.problem(problem)
        // A path of the plan, even if a respelled name made it longer than a path of the log may be.
        const path = problem.path as TreePath
        if (problem.action === 'log') wrong.add(path)
        else failed.add(path)
        if (problem.action === 'fetch') missing.add(path)
      },
      onBytes: (count) => {
        onActive()
        progress.bytes(count)
      }
    }
  )
  endWork()
  return { failed, changed: new Set([...changed, ...(retriesMissing ? missing : [])]), wrong }
}
