import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from './entry.ts'
import { modeOf, sameContent, sameEntry } from './entry.ts'
import type { TreePath } from './path.ts'
import { ancestorsOf, comparePaths } from './path.ts'
import type { Tree, TreeView } from './tree.ts'

/** One thing to do to a folder. */
export type Step =
  | { readonly op: 'make-directory'; readonly path: TreePath; readonly entry: DirectoryEntry }
  | {
      readonly op: 'write'
      readonly path: TreePath
      readonly entry: FileEntry | SymlinkEntry
      /** A file of this folder that held the same content when the plan was made. */
      readonly copyOf?: TreePath
    }
  | { readonly op: 'move'; readonly path: TreePath; readonly from: TreePath; readonly entry: FileEntry }
  | { readonly op: 'set-metadata'; readonly path: TreePath; readonly entry: FileEntry | DirectoryEntry | SymlinkEntry }
  | { readonly op: 'remove'; readonly path: TreePath; readonly entry: Entry }

/** A path that was changed both here and in the log. */
export interface Conflict {
  readonly path: TreePath
  /** The entry here, which is kept beside the target under a conflict name. */
  readonly have: Entry
}

/** A path that was changed here only; left alone until the log changes it. */
export interface Divergence {
  readonly path: TreePath
  readonly kind: 'changed' | 'deleted'
}

/** The steps that make a folder follow the log, and the conflicts. */
export interface Plan {
  /** Parents before their children; removals last, children first. */
  readonly steps: readonly Step[]
  readonly conflicts: readonly Conflict[]
  readonly diverged: readonly Divergence[]
  /** Paths that already match the log: to be recorded only. */
  readonly settled: readonly TreePath[]
  /** Paths that the log dropped and that this peer no longer owns: to be forgotten. */
  readonly forgotten: readonly TreePath[]
}

/** The three trees that a plan compares. */
export interface PlanInput {
  /** The entries that this peer last wrote. */
  readonly base: TreeView
  /** The entries in the folder. */
  readonly local: TreeView
  /** The entries of the log. */
  readonly target: TreeView
  /** The paths to plan for, with the directories above each. */
  readonly paths: Iterable<TreePath>
  /** Where the folder probably holds a content, by its hash. Only a hint: copies are verified. */
  readonly holderOf: (hash: string) => TreePath | undefined
}

/** The plan for whole trees: what `planPaths` decides for every path that is in one of them. */
export function planMirror({ base, local, target }: Readonly<Record<'base' | 'local' | 'target', Tree>>): Plan {
  const holders = new Map<string, TreePath>()
  for (const [path, entry] of local) if (entry.type === 'file') holders.set(entry.hash, path)
  const paths = unionPaths(base, local, target)
  return planPaths({ base, local, target, paths, holderOf: (hash) => holders.get(hash) })
}

/**
 * Decides, path by path, what a reader does: the table "What a mirror does with a path" in src/README.md. Bytes in the folder that were
 * not matched to the log are kept, under their own name or as a conflict copy.
 */
export function planPaths(input: PlanInput): Plan {
  const { base, local, target, paths } = input
  const draft = new Draft()
  for (const path of paths) {
    planPath(draft, path, base.get(path), local.get(path), target.get(path))
  }
  restoreParents(draft, input)
  const steps = withMoves(draft, input).sort(bySafety)
  return {
    steps,
    conflicts: draft.conflicts,
    diverged: [...draft.diverged.values()],
    settled: draft.settled,
    forgotten: draft.forgotten
  }
}

class Draft {
  readonly steps = new Map<TreePath, Step>()
  readonly conflicts: Conflict[] = []
  readonly diverged = new Map<TreePath, Divergence>()
  readonly settled: TreePath[] = []
  readonly forgotten: TreePath[] = []

  put(path: TreePath, entry: Entry): void {
    const step: Step = entry.type === 'directory' ? { op: 'make-directory', path, entry } : { op: 'write', path, entry }
    this.steps.set(path, step)
  }
}

function planPath(
  draft: Draft,
  path: TreePath,
  was: Entry | undefined,
  have: Entry | undefined,
  want: Entry | undefined
): void {
  if (want === undefined) planAbsent(draft, path, was, have)
  else if (have !== undefined && sameContent(have, want)) planMetadata(draft, path, was, have, want)
  else if (was !== undefined && sameEntry(want, was)) {
    draft.diverged.set(path, { path, kind: have === undefined ? 'deleted' : 'changed' })
  } else {
    const edited = have !== undefined && !sameContent(have, was)
    if (edited) draft.conflicts.push({ path, have })
    draft.put(path, want)
  }
}

function planAbsent(draft: Draft, path: TreePath, was: Entry | undefined, have: Entry | undefined): void {
  if (was === undefined) return // The user's own.
  if (have !== undefined && sameContent(have, was)) draft.steps.set(path, { op: 'remove', path, entry: was })
  else draft.forgotten.push(path) // Deleted on both sides, or edited here: the edit stays.
}

/** The content matches already; mode and times follow the log unless only this side changed them. */
function planMetadata(draft: Draft, path: TreePath, was: Entry | undefined, have: Entry, want: Entry): void {
  const sameMode = modeOf(have) === modeOf(want)
  if (sameMode && have.mtimeMs === want.mtimeMs) {
    draft.settled.push(path)
    return
  }
  const changedHereOnly = was !== undefined && sameEntry(was, want)
  // A directory's time changes with its contents, so it shows nothing of the user's intent.
  if (changedHereOnly && !(have.type === 'directory' && sameMode)) draft.diverged.set(path, { path, kind: 'changed' })
  else draft.steps.set(path, { op: 'set-metadata', path, entry: want })
}

/** Files to write need their directories, also if the user removed or replaced them. */
function restoreParents(draft: Draft, { local, target }: PlanInput): void {
  for (const step of [...draft.steps.values()]) {
    if (step.op === 'remove') continue
    for (const path of ancestorsOf(step.path)) {
      const planned = draft.steps.get(path)
      const have = local.get(path)
      if (planned?.op === 'make-directory') continue
      const want = target.get(path)
      if (want?.type !== 'directory' || have?.type === 'directory') continue
      if (have !== undefined) draft.conflicts.push({ path, have })
      draft.diverged.delete(path)
      draft.put(path, want)
    }
  }
}

/** Turns the writing of content that the folder already holds into a move or a local copy. */
function withMoves(draft: Draft, { local, holderOf }: PlanInput): Step[] {
  const steps = [...draft.steps.values()]
  const removed = new Map<string, TreePath[]>()
  const wanted = new Set<string>()
  for (const { op, path, entry } of steps) {
    if (!isFile(entry) || entry.size === 0) continue
    if (op === 'write') wanted.add(entry.hash)
    if (op !== 'remove') continue
    const paths = removed.get(entry.hash)
    if (paths === undefined) removed.set(entry.hash, [path])
    else paths.push(path)
  }
  const movedTo = new Map<TreePath, TreePath>()
  const better = steps.map((step): Step => {
    if (step.op !== 'write' || !isFile(step.entry) || step.entry.size === 0) return step
    const { path, entry } = step
    const have = local.get(path)
    // Not onto a directory, which is removed only later, nor onto a file from which another path is copied.
    const free = have?.type !== 'directory' && !(isFile(have) && wanted.has(have.hash) && holderOf(have.hash) === path)
    const from = free ? removed.get(entry.hash)?.pop() : undefined
    if (from === undefined) return step
    movedTo.set(from, path)
    return { op: 'move', path, from, entry }
  })
  return better
    .filter((step) => step.op !== 'remove' || !movedTo.has(step.path))
    .map((step) => {
      if (step.op !== 'write' || !isFile(step.entry)) return step
      const holder = step.entry.size > 0 ? holderOf(step.entry.hash) : undefined
      // Moves come first: a moved file is copied from its new path.
      return holder === undefined ? step : { ...step, copyOf: movedTo.get(holder) ?? holder }
    })
}

function isFile(entry: Entry | undefined): entry is FileEntry {
  return entry?.type === 'file'
}

const rank: Readonly<Record<Step['op'], number>> = {
  'make-directory': 0,
  move: 1,
  write: 2,
  'set-metadata': 3,
  remove: 4
}

/** Directories first, steps without a transfer before others, removals last and bottom-up. */
function bySafety(a: Step, b: Step): number {
  if (rank[a.op] !== rank[b.op]) return rank[a.op] - rank[b.op]
  if (a.op === 'write' && b.op === 'write' && (a.copyOf === undefined) !== (b.copyOf === undefined)) {
    return a.copyOf === undefined ? 1 : -1
  }
  return a.op === 'remove' ? comparePaths(b.path, a.path) : comparePaths(a.path, b.path)
}

function unionPaths(...trees: readonly Tree[]): Set<TreePath> {
  const paths = new Set<TreePath>()
  for (const tree of trees) for (const path of tree.keys()) paths.add(path)
  return paths
}
