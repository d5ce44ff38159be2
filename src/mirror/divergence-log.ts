import type { Monitor } from '../folder/monitor.ts'
import type { TreePath } from '../tree/path.ts'
import type { Divergence, Plan } from '../tree/plan.ts'

/** Tells of what was changed in a mirror only. */
export class DivergenceLog {
  readonly #monitor: Monitor
  /** What the last whole pass found. */
  #known = new Map<TreePath, Divergence['kind']>()

  constructor(monitor: Monitor) {
    this.#monitor = monitor
  }

  /** @param full whether it was a whole pass, which meets again what an earlier one has told of */
  tell({ diverged }: Plan, full: boolean): void {
    for (const { path, kind } of diverged) {
      if (!full || this.#known.get(path) !== kind) this.#monitor.emit({ type: 'diverged', path, kind })
    }
    if (full) this.#known = new Map(diverged.map(({ path, kind }) => [path, kind]))
  }

  /** A path is as the log has it again. */
  forget(path: TreePath): void {
    this.#known.delete(path)
  }
}
