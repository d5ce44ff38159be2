import { type Entry, type FileEntry, sameContent, sameEntry } from './entry.ts'
import type { TreePath } from './path.ts'
import type { Change } from './tree.ts'

/** A change as users see it. */
export type ChangeReport =
  | { readonly type: 'added'; readonly path: TreePath; readonly after: Entry }
  /** Content or type changed; with `onlyMetadata`, mode or time alone. */
  | {
      readonly type: 'changed'
      readonly path: TreePath
      readonly before: Entry
      readonly after: Entry
      readonly onlyMetadata: boolean
    }
  | { readonly type: 'removed'; readonly path: TreePath; readonly before: Entry }
  /** A file moved: another path has a file with the same content. */
  | { readonly type: 'moved'; readonly from: TreePath; readonly path: TreePath; readonly after: Entry }

/**
 * Changes as users see them, in their order: without changes that change nothing, and with a move for each removed file
 * whose content appears at another path.
 */
export function reportChanges(changes: Iterable<Change>): readonly ChangeReport[] {
  const real = [...changes].filter(({ before, after }) => !sameEntry(before, after))
  const sources = movesIn(real)
  const movedAway = new Set(sources.values())
  const told: ChangeReport[] = []
  for (const { path, before, after } of real) {
    const from = sources.get(path)
    if (after === undefined) {
      if (!movedAway.has(path)) told.push({ type: 'removed', path, before: before as Entry })
    } else if (from !== undefined) told.push({ type: 'moved', from, path, after })
    else if (before === undefined) told.push({ type: 'added', path, after })
    else told.push({ type: 'changed', path, before, after, onlyMetadata: sameContent(before, after) })
  }
  return told
}

/** The earlier paths of files that appeared. */
function movesIn(changes: readonly Change[]): ReadonlyMap<TreePath, TreePath> {
  const gone = new Map<string, TreePath[]>()
  for (const { path, before, after } of changes) {
    if (after !== undefined || !isMovable(before)) continue
    const paths = gone.get(before.hash)
    if (paths === undefined) gone.set(before.hash, [path])
    else paths.push(path)
  }
  // The first removed path pairs with the first new one of the same content.
  for (const paths of gone.values()) paths.reverse()
  const sources = new Map<TreePath, TreePath>()
  for (const { path, before, after } of changes) {
    if (before !== undefined || !isMovable(after)) continue
    const from = gone.get(after.hash)?.pop()
    if (from !== undefined) sources.set(path, from)
  }
  return sources
}

/** Whether a change may be one end of a move, judged by itself. */
export function mayBeMove({ before, after }: Change): boolean {
  return (before === undefined && isMovable(after)) || (after === undefined && isMovable(before))
}

/** All empty files are alike: none of them moved. */
function isMovable(entry: Entry | undefined): entry is FileEntry {
  return entry?.type === 'file' && entry.size > 0
}
