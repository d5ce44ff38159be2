import { assertMarker } from '../folder/folder.ts'
import type { Workspace } from '../folder/workspace.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { planPaths } from '../tree/plan.ts'
import type { Problem } from '../tree/tree.ts'
import { applyPlan } from './apply-plan.ts'
import { observedOf, observeFolder } from './observe-folder.ts'

export interface OverwriteOptions {
  /** Whether what stands at a path may go; else it is kept as a conflict copy. */
  readonly mayGo: (path: TreePath, seen: Seen) => boolean
  /** How long to wait while nothing comes; for a first peer for good, when left out. */
  readonly patienceMs?: number
  /** Ends it, also while it waits for peers. */
  readonly signal: AbortSignal
  /** Called now and then while it comes forward. */
  readonly onActive: () => void
}

/** What came of it. */
export interface Overwritten {
  /** Paths that are not as the log has them, and why. */
  readonly failed: ReadonlyMap<TreePath, string>
  /** The conflict copies that were made, by the path of which they are. */
  readonly kept: ReadonlyMap<TreePath, TreePath>
}

/**
 * Makes recorded paths what the record says again, whatever stands there now: a change that was made here alone goes,
 * and so does what a disk has changed. It is the usual plan for which what is here counts as ours. A file is read whole
 * before, and its blocks are compared with the log wherever they are read from: its own signature says nothing.
 *
 * To be called in a turn. What isn't recorded isn't touched.
 *
 * @throws the signal's reason; {SyncError} HALTED, DISK_FULL, DAMAGED. What was written until then is recorded
 */
export async function overwrite(
  paths: ReadonlySet<TreePath>,
  workspace: Workspace,
  options: OverwriteOptions
): Promise<Overwritten> {
  const { baseline } = workspace
  assertMarker(workspace.folder)
  // Only in memory: cut off now, the next run finds the signature as it was, and trusts it no less than this one did.
  const doubted = new Map<TreePath, BaselineRecord>()
  for (const path of paths) {
    const record = baseline.records.get(path)
    if (record?.entry.type !== 'file' || record.signature === '') continue
    doubted.set(path, { entry: record.entry, signature: record.signature })
    baseline.put(path, { entry: record.entry, signature: '' })
  }
  try {
    options.signal.throwIfAborted()
    const overwritten = await write(paths, workspace, options)
    if (overwritten.failed.size === 0) await workspace.settled(paths)
    return overwritten
  } finally {
    for (const [path, record] of doubted) {
      if (baseline.records.get(path)?.signature === '') baseline.put(path, record)
    }
  }
}

async function write(
  paths: ReadonlySet<TreePath>,
  workspace: Workspace,
  { mayGo, patienceMs, signal, onActive }: OverwriteOptions
): Promise<Overwritten> {
  const { folder, baseline, traits, record } = workspace
  const failed = new Map<TreePath, string>()
  const kept = new Map<TreePath, TreePath>()
  const all = new Set<TreePath>(paths)
  for (const path of paths) for (const above of ancestorsOf(path)) all.add(above)
  const target = { get: (path: TreePath) => baseline.entry(path) }
  const unread = new Set<TreePath>()
  const look = await observeFolder(
    folder.root,
    { baseline, target, paths: all, full: false },
    {
      signal,
      traits,
      onRealigned: async () => {},
      onProblem: ({ path }) => void unread.add(path as TreePath),
      onScanned: () => {},
      onRead: onActive
    }
  )
  const have = (path: TreePath): Entry | undefined => {
    const what = look.seen.get(path)
    // What can't be read has nothing to lose but its name.
    if (unread.has(path) && what?.type === 'file') return { ...what, hash: '', extents: [] }
    return look.local.get(path)
  }
  const plan = planPaths({
    base: { get: (path) => (paths.has(path) ? have(path) : baseline.entry(path)) },
    local: { get: have },
    target,
    paths: all,
    holderOf: (hash) => baseline.holderOf(hash)
  })
  const settled = plan.settled.filter((path) => paths.has(path))
  await record({
    put: new Map(settled.flatMap((path) => recordOf(path, target.get(path), look.signatures))),
    removed: new Set()
  })
  const conflicts = new Set(plan.conflicts.map(({ path }) => path))
  for (const path of paths) {
    const seen = look.seen.get(path)
    if (seen !== undefined && !mayGo(path, seen)) conflicts.add(path)
  }
  const content = await workspace.content(patienceMs)
  const observed = observedOf(plan, look.seen)
  const { staging, workers, monitor } = workspace
  const changed = await applyPlan(
    { folder, staging, workers, monitor, steps: plan.steps, target, observed, conflicts, content },
    {
      signal,
      onApplied: record,
      onProblem: ({ path, message }: Problem) => void failed.set(path as TreePath, message),
      onConflict: (path, keptAs) => void kept.set(path, keptAs),
      onBytes: onActive
    }
  )
  for (const path of changed) failed.set(path, 'It was changed meanwhile')
  return { failed, kept }
}

function recordOf(
  path: TreePath,
  entry: Entry | undefined,
  signatures: { get(path: TreePath): string | undefined }
): [TreePath, BaselineRecord][] {
  return entry === undefined ? [] : [[path, { entry, signature: signatures.get(path) ?? '' }]]
}
