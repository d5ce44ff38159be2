import type { LogReader } from '../log/reader.ts'
import { type Entry, sameContent, sameEntry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { type Plan, type PlanInput, planPaths } from '../tree/plan.ts'
import type { Part } from '../tree/select.ts'
import type { TreeView, Version } from '../tree/tree.ts'

/**
 * What the log said of paths since a version. A run that was cut off, by a kill or by a power cut,
 * leaves in the folder what later versions wanted without a record of it. Measured against the record
 * alone that would look like the user's own doing, once the log has gone on.
 */
export class UnrecordedWrites {
  readonly #said = new Map<TreePath, (Entry | undefined)[]>()

  /**
   * @param since the version from which on; all that was ever said where it is of another fork, or a later one
   * @param parts what the folder may have been written by: the log's word on anything else was never followed
   */
  static async read(
    reader: LogReader,
    since: Version | undefined,
    to: Version,
    parts: readonly Part[],
    signal: AbortSignal
  ): Promise<UnrecordedWrites> {
    const past = new UnrecordedWrites()
    const fromLength = since?.fork === to.fork && since.length <= to.length ? since.length : 0
    for await (const [path, entry] of reader.history(fromLength, to, signal)) {
      const said = past.#said.get(path)
      if (said === undefined) past.#said.set(path, [entry])
      else said.push(entry)
    }
    if (!parts.some(({ isAll }) => isAll)) past.#keep(parts)
    return past
  }

  /** Forgets what is in none of the parts. */
  #keep(parts: readonly Part[]): void {
    const kept = new Set<TreePath>()
    for (const [path, said] of this.#said) {
      const isIn = said.some((entry) => entry !== undefined && parts.some((part) => part.has(path, entry.type)))
      if (!isIn) continue
      kept.add(path)
      for (const above of ancestorsOf(path)) kept.add(above)
    }
    for (const path of this.#said.keys()) if (!kept.has(path)) this.#said.delete(path)
  }

  get paths(): Iterable<TreePath> {
    return this.#said.keys()
  }

  /** Whether the log has said something of a path. */
  has(path: TreePath): boolean {
    return this.#said.has(path)
  }

  /** The baseline as it would be, had what the folder holds been recorded. */
  over({ base, local, target }: Readonly<Record<'base' | 'local' | 'target', TreeView>>): TreeView {
    return {
      get: (path) => {
        const [was, have, want] = [base.get(path), local.get(path), target.get(path)]
        const said = this.#said.get(path)
        if (said === undefined || sameEntry(have, want) || sameEntry(have, was)) return was
        // Cut off before its mode and time were set, perhaps: they follow the log, which has changed them.
        if (have !== undefined && sameContent(have, want)) return undefined
        const last = said.findLastIndex((entry) => sameContent(entry, have))
        return last === -1 ? was : said[last]
      }
    }
  }
}

/** A plan, and what it was measured against. */
export interface MeasuredPlan extends Plan {
  readonly base: TreeView
}

/**
 * The plan for a pass, measured against what the log said before where that is called for.
 *
 * @param read gives the past where it wasn't read yet
 */
export async function planOver(
  input: PlanInput,
  past: UnrecordedWrites | undefined,
  read: () => Promise<UnrecordedWrites>
): Promise<MeasuredPlan> {
  const plan = measured({ ...input, base: past?.over(input) ?? input.base })
  if (past !== undefined || plan.conflicts.length === 0) return plan
  // A log that lost its end by a power cut finds out only now what the folder holds of it.
  return measured({ ...input, base: (await read()).over(input) })
}

function measured(input: PlanInput): MeasuredPlan {
  return { ...planPaths(input), base: input.base }
}
