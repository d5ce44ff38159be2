import { debuglog } from 'node:util'
import type { LiveBaseline } from '../baseline/baseline.ts'
import { scanFolder } from '../disk/read/scan.ts'
import { mountedMark, uniqueIn } from '../disk/read/seen.ts'
import { reached } from '../failpoints.ts'
import { assertMarker } from '../folder/folder.ts'
import { diffScan, type Scan, type ScanDiff } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'
import type { Dirty } from './change-tracker.ts'
import type { PublishContext } from './publish-context.ts'

const trace = debuglog('p2psync:publish')

type ScanContext = Pick<PublishContext, 'folder' | 'monitor' | 'rules' | 'signal'> & {
  readonly tracker: Pick<PublishContext['tracker'], 'watch'>
}

/** Scans the dirty part of a folder, or all of it, and compares it with the baseline. Reads no file. */
export async function scanChanges(
  { folder, monitor, rules, tracker, signal }: ScanContext,
  { records }: LiveBaseline,
  { everything, paths }: Dirty
): Promise<{ readonly scan: Scan; readonly diff: ScanDiff }> {
  const problems = new Set<string>()
  const scan = await scanFolder(folder.root, {
    ...(everything ? { unchanged: records.unchanged() } : { dirty: paths }),
    rules: rules.current,
    guard: (at) => assertMarker(folder, at),
    wasMounted: (path) => records.get(path)?.signature.endsWith(mountedMark) ?? false,
    signal,
    isKnown: (path, signature) => records.get(path)?.signature === signature,
    onDirectory: tracker.watch,
    onProblem: (problem) => {
      problems.add(problem.path)
      monitor.problem(problem)
    },
    onProgress: (files) => {
      monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
    }
  })
  monitor.solve(({ path, action }) => {
    if (problems.has(path) || !scan.covers(path as TreePath)) return false
    return action === 'scan' || !scan.saw(path as TreePath)
  })
  const diff = diffScan(records, scan, uniqueIn(folder.root))
  const [suspects, puts, moves, removals] = [diff.suspects, diff.puts, diff.moves, diff.removals].map((it) => it.length)
  trace('%d seen: %d to read, %d puts, %d moves, %d removals', scan.seen.size, suspects, puts, moves, removals)
  reached('scanned')
  return { scan, diff }
}
