import { messageOf } from '../../errors.ts'
import type { Seen } from '../../tree/diff.ts'
import type { TreePath } from '../../tree/path.ts'
import type { Problem } from '../../tree/tree.ts'
import { Beneath, isAbsence } from '../path/beneath.ts'
import { seeAt } from './seen.ts'

/**
 * What stands at each of `paths` now. A path with nothing there, or with what can't travel, is left out.
 *
 * @param onProblem told of a path that can't be looked at; it is left out too
 */
export function observe(
  root: string,
  paths: Iterable<TreePath>,
  onProblem: (problem: Problem) => void
): Map<TreePath, Seen> {
  const seen = new Map<TreePath, Seen>()
  const beneath = new Beneath(root)
  try {
    for (const path of [...paths].sort()) {
      try {
        const stats = beneath.stat(path)
        const what = stats && seeAt(beneath.locate(path), stats)
        if (typeof what === 'object') seen.set(path, what)
      } catch (error) {
        if (!isAbsence(error)) onProblem({ path, action: 'read', message: messageOf(error) })
      }
    }
  } finally {
    beneath.release()
  }
  return seen
}
