import type { Seen } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'
import { Beneath } from './beneath.ts'
import { seeAt } from './seen.ts'

/** What stands at each of `paths` now. A path with nothing there, or with what can't travel, is left out. */
export function observe(root: string, paths: Iterable<TreePath>): Map<TreePath, Seen> {
  const seen = new Map<TreePath, Seen>()
  const beneath = new Beneath(root)
  try {
    for (const path of [...paths].sort()) {
      const stats = beneath.stat(path)
      if (stats === undefined) continue
      const what = seeAt(beneath.locate(path), stats)
      if (typeof what !== 'string') seen.set(path, what)
    }
  } finally {
    beneath.release()
  }
  return seen
}
