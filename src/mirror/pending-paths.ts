import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { TreeView } from '../tree/tree.ts'

/** How long pending paths wait for the next try, in milliseconds. */
const retryMs = 30_000
/** Where a try scans the whole folder, it waits this many times the length of the last scan, up to `retryMsMax`. */
const retryScans = 20
const retryMsMax = 600_000
/** Tries that follow at once while paths change under the mirror's hands. */
const hurriedTriesMax = 5

/** Paths that could not be made what a version wants, and what it wants there. */
export class PendingPaths {
  readonly #entries = new Map<TreePath, Entry | undefined>()
  #triedMs = 0
  #hurriedTries = 0

  /** What the version wants at each path: `undefined` where the path is to be removed. */
  get entries(): ReadonlyMap<TreePath, Entry | undefined> {
    return this.#entries
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** Whether a path changed while it was written, or no peer sent it: the next tries follow at once, a few times. */
  get isHurried(): boolean {
    return this.#hurriedTries > 0 && this.#hurriedTries < hurriedTriesMax
  }

  /**
   * Whether to try again now.
   *
   * @param scanMs how long a scan of the whole folder takes, where each try makes one; otherwise 0
   */
  isDue(scanMs: number): boolean {
    if (this.isEmpty || this.isHurried) return !this.isEmpty
    const waitMs = Math.min(Math.max(retryMs, retryScans * scanMs), retryMsMax)
    return performance.now() - this.#triedMs >= waitMs
  }

  /** Forgets all paths: a pass over the whole folder finds what is pending anew. */
  clear(): void {
    this.#entries.clear()
  }

  /**
   * Takes in the outcome of a try.
   *
   * @param paths that were tried
   * @param target what the version wants at them
   * @param failed those of them that are pending now
   * @param hurried whether the next try is to follow at once
   * @returns whether hurried tries are used up
   */
  tried(
    paths: ReadonlySet<TreePath>,
    target: TreeView,
    failed: ReadonlySet<TreePath>,
    { hurried }: { readonly hurried: boolean }
  ): boolean {
    for (const path of paths) {
      if (failed.has(path)) this.#entries.set(path, target.get(path))
      else this.#entries.delete(path)
    }
    this.#triedMs = performance.now()
    this.#hurriedTries = hurried ? this.#hurriedTries + 1 : 0
    return this.#hurriedTries >= hurriedTriesMax
  }
}
