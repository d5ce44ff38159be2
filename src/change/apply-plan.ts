import type { Workers } from '../disk/threads/workers.ts'
import type { Keeping } from '../disk/write/kept-directory.ts'
import { type Applied, materialise } from '../disk/write/materialise.ts'
import type { Staging } from '../disk/write/stage.ts'
import { naming } from '../folder/conflict-host.ts'
import { assertMarker, type Folder } from '../folder/folder.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { Contents } from '../folder/workspace.ts'
import type { Seen } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'
import type { Step } from '../tree/plan.ts'
import type { Problem, TreeView } from '../tree/tree.ts'

export interface ApplyPlanInput {
  readonly folder: Folder
  readonly staging: Staging
  readonly workers: Workers
  readonly monitor: Monitor
  readonly steps: readonly Step[]
  /** The tree that the plan leads to. */
  readonly target: TreeView
  /** What was seen at the paths when the plan was made. */
  readonly observed: ReadonlyMap<TreePath, Seen>
  /** Paths whose present file is kept as a conflict copy. */
  readonly conflicts: ReadonlySet<TreePath>
  /** Keeps large files that the plan replaces or removes. */
  readonly keeping?: Keeping | undefined
  /** The contents that the steps write. Closed in the end. */
  readonly content: Contents
}

export interface ApplyPlanOptions {
  readonly signal: AbortSignal
  readonly onApplied: (applied: Applied) => Promise<void>
  readonly onProblem: (problem: Problem) => void
  readonly onConflict?: (path: TreePath, keptAs: TreePath) => void
  readonly onBytes?: (bytes: number) => void
}

/**
 * Applies the steps of a plan to a folder; see `materialise`.
 *
 * @returns the paths that were left out because they changed after they were observed
 * @throws {SyncError} HALTED, DISK_FULL; the signal's reason
 */
export async function applyPlan(
  { folder, target, content, monitor, ...input }: ApplyPlanInput,
  { signal, onApplied, onProblem, onConflict = () => {}, onBytes = () => {} }: ApplyPlanOptions
): Promise<readonly TreePath[]> {
  // Only closing the contents ends the wait for a block that nobody has.
  const end = () => void content.close().catch(() => {})
  signal.addEventListener('abort', end, { once: true })
  try {
    signal.throwIfAborted()
    return await materialise(
      {
        ...input,
        root: folder.root,
        source: content,
        directoryEntry: (path) => {
          const entry = target.get(path)
          return entry?.type === 'directory' ? entry : undefined
        }
      },
      {
        ...naming,
        signal,
        guard: (at) => assertMarker(folder, at),
        onApplied,
        onProblem,
        onConflict: (path, keptAs) => {
          onConflict(path, keptAs)
          monitor.emit({ type: 'conflict', path, keptAs })
        },
        onBytes
      }
    )
  } finally {
    signal.removeEventListener('abort', end)
    await content.close().catch(() => {})
  }
}
