import type { Problem } from '../../src/tree/tree.ts'

/** Takes problems down. */
export class Problems {
  readonly list: Problem[] = []
  readonly add = (problem: Problem): void => void this.list.push(problem)

  /** The paths that have problems, sorted. */
  get paths(): readonly string[] {
    return this.list.map(({ path }) => path).sort()
  }

  /** What was said of `path`. */
  of(path: string): string | undefined {
    return this.list.find((problem) => problem.path === path)?.message
  }
}
