import type { BaselineRecord, Scan, ScanDiff } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'

/** The paths that a scan found to hold no directory (any more): their watches can go. */
export function* withoutDirectory({ removals, suspects, moves, puts }: ScanDiff): Generator<TreePath> {
  yield* removals
  yield* suspects
  for (const [path] of moves) yield path
  for (const [path, { type }] of puts) if (type === 'symlink') yield path
}

/**
 * Whether another directory may stand at the path of a recorded one. It may also be the same one under another spelling,
 * where the file system folds names: only a scan of the whole folder lists the names as they are.
 */
export function hasReplacedDirectory(
  { puts }: Pick<ScanDiff, 'puts'>,
  records: { get(path: TreePath): BaselineRecord | undefined }
): boolean {
  return puts.some(([path, { type }, signature]) => {
    const known = records.get(path)
    return (
      type === 'directory' &&
      known?.entry.type === 'directory' &&
      known.signature !== '' &&
      known.signature !== signature
    )
  })
}

/** The paths that can't be read, after a scan of a part of the folder. */
export interface Unreadable {
  readonly paths: ReadonlySet<TreePath>
  /** Whether the scan could read a path that it couldn't read before: no watch covers what lies beneath that path. */
  readonly isReadableAgain: boolean
}

/** @param before the paths that couldn't be read before the scan */
export function unreadableAfter(scan: Pick<Scan, 'unreadable' | 'covers'>, before: ReadonlySet<TreePath>): Unreadable {
  const paths = new Set(scan.unreadable)
  let isReadableAgain = false
  for (const path of before) {
    if (!scan.covers(path)) paths.add(path)
    else if (!paths.has(path)) isReadableAgain = true
  }
  return { paths, isReadableAgain }
}
