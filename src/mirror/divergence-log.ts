import type { Monitor } from '../folder/monitor.ts'
import type { TreePath } from '../tree/path.ts'
import type { Divergence, Plan } from '../tree/plan.ts'

/** Reports paths that were changed in the mirror only, each once. */
export class DivergenceLog {
  readonly #monitor: Pick<Monitor, 'emit'>
  /** The divergences that the last full pass found. */
  #known = new Map<TreePath, Divergence['kind']>()

  constructor(monitor: Pick<Monitor, 'emit'>) {
    this.#monitor = monitor
  }

  /** @param full whether the plan is of the whole folder, so that it also has divergences that were reported before */
  report({ diverged }: Pick<Plan, 'diverged'>, full: boolean): void {
    for (const { path, kind } of diverged) {
      if (!full || this.#known.get(path) !== kind) this.#monitor.emit({ type: 'diverged', path, kind })
    }
    if (full) this.#known = new Map(diverged.map(({ path, kind }) => [path, kind]))
  }

  /** The path is as the log has it again. */
  forget(path: TreePath): void {
    this.#known.delete(path)
  }
}
