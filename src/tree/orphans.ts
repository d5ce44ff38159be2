import type { Entry } from './entry.ts'
import { parentPath, type TreePath } from './path.ts'
import type { Problem } from './tree.ts'

/**
 * Checks that each entry lies in a directory of the same log: no path may lie beneath a file or a link, or in a
 * directory without an entry.
 *
 * @param paths to check, parents before their children
 * @param entryAt the accepted entry of the log at a path
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
