import { type Entry, sameContent, sameEntry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { type Plan, type PlanInput, planPaths } from '../tree/plan.ts'
import type { Part } from '../tree/select.ts'
import type { TreeView, Version } from '../tree/tree.ts'
import type { FollowedLog } from './followed-log.ts'

/**
 * What the log has said of each path since a version. A run that a kill or a power cut ended leaves files in the folder
 * that later versions wanted, and no record of them. Compared with the baseline alone they would look like the user's
 * own changes as soon as the log has gone on.
 */
export class UnrecordedWrites {
  readonly #statements = new Map<TreePath, (Entry | undefined)[]>()

  /**
   * Reads the statements of a log.
   *
   * @param since the version after which to begin; where it is of another fork, or later than `to`, the log is read from
   *   its start
   * @param parts the parts of the tree that may have been written: no other path was ever written
   */
  static async read(
    log: Pick<FollowedLog, 'history'>,
    since: Version | undefined,
    to: Version,
    parts: readonly Part[],
    signal: AbortSignal
  ): Promise<UnrecordedWrites> {
    const writes = new UnrecordedWrites()
    const fromLength = since?.fork === to.fork && since.length <= to.length ? since.length : 0
    for await (const [path, entry] of log.history(fromLength, to, signal)) {
      const statements = writes.#statements.get(path)
      if (statements === undefined) writes.#statements.set(path, [entry])
      else statements.push(entry)
    }
    if (!parts.some(({ isAll }) => isAll)) writes.#keepOnly(parts)
    return writes
  }

  #keepOnly(parts: readonly Part[]): void {
    const kept = new Set<TreePath>()
    for (const [path, statements] of this.#statements) {
      const isIn = statements.some((entry) => entry !== undefined && parts.some((part) => part.has(path, entry.type)))
      if (!isIn) continue
      kept.add(path)
      for (const above of ancestorsOf(path)) kept.add(above)
    }
    for (const path of this.#statements.keys()) if (!kept.has(path)) this.#statements.delete(path)
  }

  get paths(): Iterable<TreePath> {
    return this.#statements.keys()
  }

  /** Whether the log has said something of a path. */
  has(path: TreePath): boolean {
    return this.#statements.has(path)
  }

  /** The baseline as it would be if every write of the log had been recorded. */
  over({ base, local, target }: Readonly<Record<'base' | 'local' | 'target', TreeView>>): TreeView {
    return {
      get: (path) => {
        const [recorded, have, want] = [base.get(path), local.get(path), target.get(path)]
        const statements = this.#statements.get(path)
        if (statements === undefined || sameEntry(have, want) || sameEntry(have, recorded)) return recorded
        // The run may have ended before it set mode and time: without a base, the plan makes them follow the log.
        if (have !== undefined && sameContent(have, want)) return undefined
        const last = statements.findLastIndex((entry) => sameContent(entry, have))
        return last === -1 ? recorded : statements[last]
      }
    }
  }
}

/** A plan, and the base that it was made against. */
export interface PlanWithBase extends Plan {
  readonly base: TreeView
}

/**
 * Makes the plan for a pass, with unrecorded writes taken for the log's.
 *
 * @param unrecorded what is known of them; `undefined` where there should be none
 * @param read reads them where the plan has conflicts all the same
 */
export async function planOver(
  input: PlanInput,
  unrecorded: UnrecordedWrites | undefined,
  read: () => Promise<UnrecordedWrites>
): Promise<PlanWithBase> {
  const plan = planWithBase({ ...input, base: unrecorded?.over(input) ?? input.base })
  if (unrecorded !== undefined || plan.conflicts.length === 0) return plan
  // A log that lost its end by a power cut only now gets back the statements that the folder holds already.
  return planWithBase({ ...input, base: (await read()).over(input) })
}

function planWithBase(input: PlanInput): PlanWithBase {
  return { ...planPaths(input), base: input.base }
}
