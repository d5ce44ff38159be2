import type { Entry } from './entry.ts'
import { parentPath, type TreePath } from './path.ts'
import type { Problem } from './tree.ts'

/**
 * Checks that each entry lies in a directory of the same log: nothing can be beneath a file or a
 * link, and nothing where its directory has no entry.
 *
 * @param paths to be checked, parents before what they hold
 * @param entryAt the log's entry at a path, as far as it was accepted
 * @returns the paths to refuse, each reported
 */
export function refuseOrphans(
  paths: Iterable<TreePath>,
  entryAt: (path: TreePath) => Entry | undefined,
  onProblem: (problem: Problem) => void
): Set<TreePath> {
  const refused = new Set<TreePath>()
  for (const path of paths) {
    const parent = parentPath(path)
    if (parent === '' || entryAt(path) === undefined) continue
    if (!refused.has(parent) && entryAt(parent)?.type === 'directory') continue
    refused.add(path)
    onProblem({ path, action: 'log', message: `Refused: the log has no directory ${parent} for it` })
  }
  return refused
}
