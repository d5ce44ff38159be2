import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from './entry.ts'
import { sameEntry } from './entry.ts'
import type { TreePath } from './path.ts'
import { parentPath } from './path.ts'
import type { Change, Tree } from './tree.ts'

/** A file as a scan sees it: its content is not read yet. */
export interface SeenFile {
  readonly type: 'file'
  readonly mode: number
  readonly mtimeMs: number
  readonly size: number
  /** Changes whenever the file does, as far as the file system tells: size, mtime, ctime and inode. */
  readonly signature: string
}

/** A directory as a scan sees it; its signature tells one that was replaced by another. */
export type SeenDirectory = DirectoryEntry & { readonly signature: string }

/** The state that a scan finds at one path. */
export type Seen = SeenFile | SeenDirectory | SymlinkEntry

/** The entry that this peer last wrote to, or read from, one path. */
export interface BaselineRecord {
  readonly entry: Entry
  /** The signature under which the entry was true; `''` when it has to be read again. */
  readonly signature: string
}

/** Records by path. */
export type Baseline = Pick<ReadonlyMap<TreePath, BaselineRecord>, 'get' | 'has' | 'keys'>

/**
 * Marks files that are unchanged since they were recorded, nearly all of them, in the records rather than in a second
 * map.
 */
export interface Unchanged {
  /** Marks a file as seen if it has its recorded signature. @returns whether it has */
  note(path: TreePath, signature: string): boolean
  /** Whether a file was marked as seen. */
  has(path: TreePath): boolean
}

/** The result of scanning a folder, or a part of it. */
export interface Scan {
  /** Without unchanged files if those are marked in the records. */
  readonly seen: ReadonlyMap<TreePath, Seen>
  /** Whether something exists at `path`. */
  saw(path: TreePath): boolean
  /** Whether the scan covered `path`, so that its absence means removal. */
  covers(path: TreePath): boolean
  /** The scanned paths, if the scan covered single paths rather than whole directories. */
  readonly only?: ReadonlySet<TreePath> | undefined
  /** Whether the state of `path` is unknown: it could not be read, or is ignored. */
  frozen(path: TreePath, type: Entry['type']): boolean
  /** Directories and files that could not be read. */
  readonly unreadable: ReadonlySet<TreePath>
}

/** How a scan differs from the baseline. */
export interface ScanDiff {
  /** Files whose content has to be read before their entry is known. */
  readonly suspects: readonly TreePath[]
  /** Directories and links that are new or changed, parents first. */
  readonly puts: readonly (readonly [TreePath, DirectoryEntry | SymlinkEntry, signature: string])[]
  /** Files recorded under another path that was removed: their content is known. */
  readonly moves: readonly (readonly [TreePath, FileEntry, signature: string])[]
  /** Recorded paths that were removed, children first. */
  readonly removals: readonly TreePath[]
}

/**
 * Compares a scan with the baseline, without reading a file. A frozen path keeps its baseline as long as its directory
 * still exists: unreadable is not deleted, and newly ignored isn't either.
 *
 * @param isUnique whether no file but the one at `path` can ever have had this signature
 */
export function diffScan(
  baseline: Baseline,
  scan: Scan,
  isUnique: (path: TreePath, signature: string) => boolean
): ScanDiff {
  const suspects: TreePath[] = []
  const puts: (readonly [TreePath, DirectoryEntry | SymlinkEntry, string])[] = []
  const removals: TreePath[] = []

  for (const [path, seen] of scan.seen) {
    const was = baseline.get(path)
    if (seen.type === 'file') {
      if (was?.entry.type !== 'file' || was.signature !== seen.signature || was.signature === '') suspects.push(path)
    } else {
      const { entry, signature } = splitSeen(seen)
      if (!sameEntry(was?.entry, entry) || was?.signature !== signature) puts.push([path, entry, signature])
    }
  }
  for (const path of candidates(baseline, scan)) {
    if (scan.saw(path) || !baseline.has(path) || !scan.covers(path)) continue
    const type = (baseline.get(path) as BaselineRecord).entry.type
    if (scan.frozen(path, type) && parentStands(path, baseline, scan)) continue
    removals.push(path)
  }
  const moved = movesOf(suspects, removals, baseline, scan)
  const moves = [...moved.values()].filter(([path, , signature]) => isUnique(path, signature))
  const isMoved = new Set(moves.map(([path]) => path))
  return {
    suspects: suspects.filter((path) => !isMoved.has(path)),
    puts,
    moves,
    removals: removals.sort().reverse()
  }
}

/** Files that have the signature of a removed one. A file that moves with its directory keeps its times. */
function movesOf(
  suspects: readonly TreePath[],
  removals: readonly TreePath[],
  baseline: Baseline,
  scan: Scan
): Map<TreePath, ScanDiff['moves'][number]> {
  const moves = new Map<TreePath, ScanDiff['moves'][number]>()
  if (suspects.length === 0 || removals.length === 0) return moves
  const bySignature = new Map<string, TreePath>()
  for (const path of suspects) bySignature.set((scan.seen.get(path) as SeenFile).signature, path)
  for (const removed of removals) {
    const { signature, entry } = baseline.get(removed) as BaselineRecord
    const path = signature === '' ? undefined : bySignature.get(signature)
    if (path === undefined || entry.type !== 'file') continue
    const { mode, mtimeMs } = scan.seen.get(path) as SeenFile
    moves.set(path, [path, { ...entry, mode, mtimeMs }, signature])
  }
  return moves
}

/** The recorded paths that may be removed; few if the scan covered single paths and no directory was removed. */
function candidates(baseline: Baseline, scan: Scan): Iterable<TreePath> {
  if (scan.only === undefined) return baseline.keys()
  for (const path of scan.only) {
    const wasDirectory = baseline.get(path)?.entry.type === 'directory'
    if (wasDirectory && scan.seen.get(path)?.type !== 'directory') return baseline.keys()
  }
  return scan.only
}

function splitSeen(seen: SeenDirectory | SymlinkEntry): { entry: DirectoryEntry | SymlinkEntry; signature: string } {
  if (seen.type === 'symlink') return { entry: seen, signature: '' }
  const { signature, ...entry } = seen
  return { entry, signature }
}

/** Whether the nearest scanned directory above `path` is still a directory. */
function parentStands(path: TreePath, baseline: Baseline, scan: Scan): boolean {
  const parent = parentPath(path)
  if (parent === '') return true
  const seen = scan.seen.get(parent)
  if (seen !== undefined) return seen.type === 'directory'
  if (!scan.covers(parent)) return baseline.has(parent)
  return scan.frozen(parent, 'directory') && parentStands(parent, baseline, scan)
}

/** The changes that lead from one tree to another, in the order of their paths. */
export function diffTrees(before: Tree, after: Tree): Change[] {
  const changes: Change[] = []
  for (const [path, entry] of after) {
    const was = before.get(path)
    if (!sameEntry(was, entry)) changes.push({ path, before: was, after: entry })
  }
  for (const [path, entry] of before) {
    if (!after.has(path)) changes.push({ path, before: entry, after: undefined })
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** A predicate for scans: whether a path is one of `roots` or lies beneath one. */
export function beneathAny(roots: ReadonlySet<TreePath>): (path: TreePath) => boolean {
  if (roots.size === 0) return () => false
  return (path) => {
    if (roots.has(path)) return true
    for (let parent = parentPath(path); parent !== ''; parent = parentPath(parent)) {
      if (roots.has(parent)) return true
    }
    return false
  }
}
