import type { Problem } from '../../src/tree/tree.ts'

/** Collects problems. */
export class Problems {
  readonly list: Problem[] = []
  readonly add = (problem: Problem): void => void this.list.push(problem)

  /** The paths that have problems, sorted. */
  get paths(): readonly string[] {
    return this.list.map(({ path }) => path).sort()
  }

  /** The message of the first problem with `path`. */
  of(path: string): string | undefined {
    return this.list.find((problem) => problem.path === path)?.message
  }
}
