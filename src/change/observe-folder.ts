import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveBaseline } from '../baseline/baseline.ts'
import { observe } from '../disk/read/observe.ts'
import { hashFile, type ReadFile, TornRead } from '../disk/read/read.ts'
import { finishRealigning, realign } from '../disk/read/realign.ts'
import { scanFolder } from '../disk/read/scan.ts'
import { messageOf, systemCode } from '../errors.ts'
import type { BaselineRecord, Seen, SeenFile, Unchanged } from '../tree/diff.ts'
import { type Entry, sameEntry } from '../tree/entry.ts'
import { asWanted, type FileSystemTraits, foldName, foldsNames, hasCoarseTimes } from '../tree/file-system.ts'
import { type Names, NamesOf, Realigned } from '../tree/local-names.ts'
import type { TreePath } from '../tree/path.ts'
import type { Plan } from '../tree/plan.ts'
import type { Problem, TreeView } from '../tree/tree.ts'

/** How long to wait at most, where times are coarse, before a file that has just changed can be read. In milliseconds. */
const coarseWaitMsMax = 2100

/** What a folder holds at the paths of a plan. */
export interface LocalState {
  /** The entries of what was read. Their extents are only known where they are recorded. */
  readonly local: TreeView
  readonly seen: { get(path: TreePath): Seen | undefined }
  /** The signatures that files had when they were read. */
  readonly signatures: { get(path: TreePath): string | undefined }
  /** Whether a scan of the whole folder found a file as the baseline records it. */
  readonly isUnchanged: (path: TreePath) => boolean
  /** Paths that could not be read, or changed while they were read. */
  readonly unclear: ReadonlySet<TreePath>
}

export interface ObserveOptions {
  readonly signal: AbortSignal
  readonly traits: FileSystemTraits
  /** Called before anything is read, with recorded paths that have another name now; none where names are exact. */
  readonly onRealigned?: (moved: ReadonlyMap<TreePath, TreePath>) => Promise<void>
  readonly onProblem: (problem: Problem) => void
  /** Called with the number of paths seen so far. */
  readonly onScanned?: (paths: number) => void
  /** Called now and then while files are read. */
  readonly onRead?: () => void
}

export interface ObserveInput {
  readonly baseline: LiveBaseline
  readonly target: TreeView
  /** The paths to plan for. */
  readonly paths: ReadonlySet<TreePath>
  /** Whether to scan the whole folder, rather than to look at these paths alone. */
  readonly full: boolean
  /** Whether a path may be the log's, though neither baseline nor target have it. */
  readonly mayBeOurs?: ((path: TreePath) => boolean) | undefined
}

/**
 * Looks at a folder, and reads the files that aren't as the baseline records them. Files that neither baseline nor
 * target have are the user's own, and aren't read.
 */
export async function observeFolder(root: string, input: ObserveInput, options: ObserveOptions): Promise<LocalState> {
  const { baseline, target, paths, full, mayBeOurs } = input
  const unclear = new Set<TreePath>()
  const onProblem = (problem: Problem) => {
    // Also a path that no log may have, such as a respelled name that got too long.
    unclear.add(problem.path as TreePath)
    options.onProblem(problem)
  }
  // Where the file system folds names, seen names have to be mapped to the recorded ones first.
  const unchanged = full && !foldsNames(options.traits) ? baseline.records.unchanged() : undefined
  const seen = full
    ? await scanWhole(root, input, { ...options, onProblem }, unclear, unchanged)
    : observe(root, paths, onProblem)
  const read = new Map<TreePath, Entry>()
  const signatures = new Map<TreePath, string>()
  const put = (path: TreePath, have: Entry) => read.set(path, asWanted(have, target.get(path), options.traits))
  for (const [path, found] of seen) {
    const record = baseline.records.get(path)
    // The user's own.
    if (record === undefined && target.get(path) === undefined && !mayBeOurs?.(path)) continue
    if (found.type !== 'file') put(path, found)
    else if (record?.entry.type === 'file' && record.signature !== '' && record.signature === found.signature) {
      signatures.set(path, record.signature)
    } else if (record !== undefined && isFresh(record, found, target.get(path), options.traits)) {
      read.set(path, record.entry)
    } else {
      const file = await readLocal(root, path, onProblem, options)
      options.onRead?.()
      if (file === undefined) continue
      const { signature, ...content } = file
      put(path, { type: 'file', ...content, extents: [] })
      signatures.set(path, signature)
    }
  }
  // Unchanged files are in the baseline already: no second copy of their entries.
  const isUnchanged = (path: TreePath) => unchanged?.has(path) ?? false
  const isRecorded = (path: TreePath) => signatures.has(path) || isUnchanged(path)
  const recorded = (path: TreePath) => (isUnchanged(path) ? baseline.records.get(path) : undefined)
  return {
    local: { get: (path) => read.get(path) ?? (isRecorded(path) ? baseline.entry(path) : undefined) },
    seen: { get: (path) => seen.get(path) ?? seenOf(recorded(path)) },
    signatures: { get: (path) => signatures.get(path) ?? recorded(path)?.signature },
    isUnchanged,
    unclear
  }
}

/** What a scan sees of a file that is as recorded. */
function seenOf(record: BaselineRecord | undefined): Seen | undefined {
  if (record?.entry.type !== 'file') return undefined
  const { mode, mtimeMs, size } = record.entry
  return { type: 'file', mode, mtimeMs, size, signature: record.signature }
}

async function scanWhole(
  root: string,
  { baseline, target, paths }: ObserveInput,
  options: ObserveOptions,
  unclear: Set<TreePath>,
  unchanged: Unchanged | undefined
): Promise<ReadonlyMap<TreePath, Seen>> {
  const scanOptions = {
    unchanged,
    signal: options.signal,
    onProblem: () => {}, // An unreadable file of the user's own concerns nobody.
    onProgress: options.onScanned ?? (() => {})
  }
  let scan = await scanFolder(root, scanOptions)
  let { seen } = scan
  if (foldsNames(options.traits)) {
    const fold = (name: string) => foldName(name, options.traits)
    const wanted = [...paths].filter((path) => target.get(path) !== undefined)
    const names = new NamesOf(wanted, fold)
    if (finishRealigning(root, seen, names)) scan = await scanFolder(root, scanOptions)
    const moved = movedRecords(baseline, names, () => true)
    const recorded = new NamesOf([...baseline.records.keys(), ...moved.values()], fold)
    seen = realign(root, scan, { wanted: names, recorded }, options.traits, options.onProblem)
    await options.onRealigned?.(movedRecords(baseline, names, (path) => !seen.has(path)))
  }
  // A path that could not be looked at is not deleted.
  const isSeen = (path: TreePath) => seen.has(path) || unchanged?.has(path)
  for (const path of baseline.records.keys()) if (!isSeen(path) && scan.frozen(path, 'file')) unclear.add(path)
  return seen
}

/**
 * Maps recorded paths that are another spelling of a wanted name to that name.
 *
 * @param isFree whether nothing stands under the recorded name any more
 */
function movedRecords(
  { records }: LiveBaseline,
  wanted: Names,
  isFree: (path: TreePath) => boolean
): Map<TreePath, TreePath> {
  const moved = new Map<TreePath, TreePath>()
  const realigned = new Realigned(wanted)
  for (const path of [...records.keys()].sort()) {
    const name = realigned.of(path, (from, to) => isFree(from) && !records.has(to))
    if (name !== path && !records.has(name)) moved.set(path, name)
  }
  return moved
}

/**
 * Whether a file is as it was written a moment ago, as far as coarse times show. The version wants it as it is, so it is
 * read only once another change of it would show in its time.
 */
function isFresh(
  { entry, signature }: BaselineRecord,
  found: SeenFile,
  want: Entry | undefined,
  traits: FileSystemTraits
): boolean {
  if (!hasCoarseTimes(traits) || signature !== '' || entry.type !== 'file' || !sameEntry(want, entry)) return false
  const isNear = (timeMs: number) => Math.abs(found.mtimeMs - timeMs) < traits.timeStepMs
  return found.size === entry.size && isNear(entry.mtimeMs) && isNear(Date.now())
}

async function readLocal(
  root: string,
  path: TreePath,
  onProblem: (problem: Problem) => void,
  options: ObserveOptions,
  attempt = 1
): Promise<ReadFile | undefined> {
  const { signal, traits, onRead = () => {} } = options
  try {
    return await hashFile(root, path, signal, onRead)
  } catch (error) {
    if (!(error instanceof TornRead) && systemCode(error) === undefined) throw error
    if (error instanceof TornRead && hasCoarseTimes(traits) && attempt === 1) {
      // Coarse times make a file look as if it had just changed for up to one step.
      await sleep(Math.min(traits.timeStepMs + 100, coarseWaitMsMax), undefined, { signal })
      return readLocal(root, path, onProblem, options, attempt + 1)
    }
    onProblem({ path, action: 'read', message: messageOf(error) })
    return undefined
  }
}

/** What was seen at the paths of a plan when it was made. */
export function observedOf({ steps }: Plan, seen: LocalState['seen']): ReadonlyMap<TreePath, Seen> {
  const observed = new Map<TreePath, Seen>()
  for (const step of steps) {
    for (const path of step.op === 'move' ? [step.from, step.path] : [step.path]) {
      const found = seen.get(path)
      if (found !== undefined) observed.set(path, found)
    }
  }
  return observed
}
