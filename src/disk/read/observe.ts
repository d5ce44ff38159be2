import { messageOf } from '../../errors.ts'
import type { Seen } from '../../tree/diff.ts'
import type { TreePath } from '../../tree/path.ts'
import type { Problem } from '../../tree/tree.ts'
import { Beneath, isAbsence } from '../path/beneath.ts'
import { seeAt } from './seen.ts'

/**
 * The present local state of `paths`. Leaves out paths where nothing is, or a kind of file that isn't replicated.
 *
 * @param onProblem called for a path that can't be read; it is left out too
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
        const state = stats && seeAt(beneath.locate(path), stats)
        if (typeof state === 'object') seen.set(path, state)
      } catch (error) {
        if (!isAbsence(error)) onProblem({ path, action: 'read', message: messageOf(error) })
      }
    }
  } finally {
    beneath.release()
  }
  return seen
}
