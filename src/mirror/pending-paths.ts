import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { TreeView } from '../tree/tree.ts'

/** What couldn't be done is tried again this often. */
const retryMs = 30_000
/** Where that looks at the whole folder, it waits so many times as long as the last look took, within bounds. */
const retryShare = 20
const retryMsMax = 600_000
/** What changed while it was to be written is planned anew so many times before that. */
const hurryMax = 5

/** What versions wanted and couldn't be done, as they wanted it. */
export class PendingPaths {
  readonly entries = new Map<TreePath, Entry | undefined>()
  #triedMs = 0
  #hurry = 0

  /** Whether a path changed while it was to be written, or couldn't be had: it is planned anew at once, a few times. */
  get isHurried(): boolean {
    return this.#hurry > 0 && this.#hurry < hurryMax
  }

  /** @param lookMs how long a look at the whole folder takes, where each try makes one: it is not to take much of the time */
  isDue(lookMs: number): boolean {
    if (this.entries.size === 0 || this.isHurried) return this.entries.size > 0
    const waitMs = Math.min(Math.max(retryMs, retryShare * lookMs), retryMsMax)
    return performance.now() - this.#triedMs >= waitMs
  }

  /**
   * Takes note of what came of a try.
   *
   * @param hurried whether paths changed meanwhile
   * @returns whether they have done so again and again
   */
  tried(
    paths: ReadonlySet<TreePath>,
    target: TreeView,
    owed: ReadonlySet<TreePath>,
    { hurried }: { readonly hurried: boolean }
  ): boolean {
    for (const path of paths) {
      if (owed.has(path)) this.entries.set(path, target.get(path))
      else this.entries.delete(path)
    }
    this.#triedMs = performance.now()
    this.#hurry = hurried ? this.#hurry + 1 : 0
    return this.#hurry >= hurryMax
  }
}
