import { assertMarker } from '../folder/folder.ts'
import type { Workspace } from '../folder/workspace.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { planPaths } from '../tree/plan.ts'
import { applyPlan } from './apply-plan.ts'
import { observedOf, observeFolder } from './observe-folder.ts'

export interface OverwriteOptions {
  /** Whether the present file of a path may be lost; otherwise it is kept as a conflict copy. */
  readonly mayGo: (path: TreePath, seen: Seen) => boolean
  /** How long to wait for contents while nothing comes, in milliseconds; as long as it takes for a first peer, when left out. */
  readonly patienceMs?: number
  readonly signal: AbortSignal
  /** Called now and then while it makes progress. */
  readonly onActive?: () => void
}

export interface Overwritten {
  /** Paths that could not be overwritten, and why. */
  readonly failed: ReadonlyMap<TreePath, string>
  /** The conflict copies that were made, by the path that they come from. */
  readonly kept: ReadonlyMap<TreePath, TreePath>
}

/**
 * Gives recorded paths their recorded content again, whatever they hold now: local changes are lost, and damage by the
 * disk is repaired. Makes the usual plan, with the present files taken for the log's. Each file is read whole first, as
 * its signature doesn't show damage, and each block of another file that is copied is compared with the log.
 *
 * Call it inside a turn of the folder's queue. Paths that aren't recorded stay as they are.
 *
 * @throws the signal's reason; {SyncError} HALTED, DISK_FULL, DAMAGED. What was written by then is recorded
 */
export async function overwrite(
  paths: ReadonlySet<TreePath>,
  workspace: Workspace,
  options: OverwriteOptions
): Promise<Overwritten> {
  const { baseline } = workspace
  assertMarker(workspace.folder)
  // Only in memory: after a crash, the next run finds the stored signature, and trusts it as this run did.
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
  { mayGo, patienceMs, signal, onActive = () => {} }: OverwriteOptions
): Promise<Overwritten> {
  const { folder, baseline, traits, record } = workspace
  const failed = new Map<TreePath, string>()
  const kept = new Map<TreePath, TreePath>()
  const all = new Set<TreePath>(paths)
  for (const path of paths) for (const above of ancestorsOf(path)) all.add(above)
  const target = { get: (path: TreePath) => baseline.entry(path) }
  const state = await observeFolder(
    folder.root,
    { baseline, target, paths: all, full: false },
    { signal, traits, onProblem: () => {}, onRead: onActive }
  )
  const have = (path: TreePath): Entry | undefined => {
    const found = state.seen.get(path)
    // An unreadable file has no content to lose.
    if (state.unclear.has(path) && found?.type === 'file') return { ...found, hash: '', extents: [] }
    return state.local.get(path)
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
    put: new Map(settled.flatMap((path) => recordOf(path, target.get(path), state.signatures))),
    removed: new Set()
  })
  const conflicts = new Set(plan.conflicts.map(({ path }) => path))
  for (const path of paths) {
    const seen = state.seen.get(path)
    if (seen !== undefined && !mayGo(path, seen)) conflicts.add(path)
  }
  const content = await workspace.content(patienceMs)
  const observed = observedOf(plan, state.seen)
  const { staging, workers, monitor } = workspace
  const changed = await applyPlan(
    { folder, staging, workers, monitor, steps: plan.steps, target, observed, conflicts, content },
    {
      signal,
      onApplied: record,
      onProblem: ({ path, message }) => void failed.set(path as TreePath, message),
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
