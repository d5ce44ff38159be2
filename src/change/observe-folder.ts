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

/** How long a file may have to rest, where its times are coarse, before it can be read. */
const coarseWaitMsMax = 2100

/** What a mirror's folder holds where a plan is to be made. */
export interface LocalState {
  /** Only what was looked at. */
  readonly local: TreeView
  readonly seen: { get(path: TreePath): Seen | undefined }
  /** The signatures under which what is said of files holds. */
  readonly signatures: { get(path: TreePath): string | undefined }
  /** Whether a file is as the baseline has it, and was found so by a look at the whole folder. */
  readonly isUnchanged: (path: TreePath) => boolean
  /** Paths that couldn't be read, or not in one piece. */
  readonly unclear: ReadonlySet<TreePath>
}

export interface ObserveOptions {
  readonly signal: AbortSignal
  readonly traits: FileSystemTraits
  /** Called with recorded paths that are called otherwise now, before anything is read; none where names are exact. */
  readonly onRealigned: (moved: ReadonlyMap<TreePath, TreePath>) => Promise<void>
  readonly onProblem: (problem: Problem) => void
  /** Called with the number of paths seen so far. */
  readonly onScanned: (paths: number) => void
  /** Called now and then while files are read. */
  readonly onRead: () => void
}

export interface ObserveInput {
  readonly baseline: LiveBaseline
  readonly target: TreeView
  /** The paths that a plan is to be made for. */
  readonly paths: ReadonlySet<TreePath>
  /** Whether to look at the whole folder, rather than at these paths alone. */
  readonly full: boolean
  /** Whether a path may be the log's, though neither baseline nor target know of it. */
  readonly mayBeOurs?: ((path: TreePath) => boolean) | undefined
}

/**
 * Looks at what a mirror's folder holds, and reads it where the baseline doesn't tell. The user's own
 * files, which neither baseline nor target know of, aren't read.
 */
export async function observeFolder(root: string, input: ObserveInput, options: ObserveOptions): Promise<LocalState> {
  const { baseline, target, paths, full, mayBeOurs } = input
  const unclear = new Set<TreePath>()
  const onProblem = (problem: Problem) => {
    unclear.add(problem.path as TreePath)
    options.onProblem(problem)
  }
  // Where names are folded, what was seen is first to be brought under the recorded names.
  const unchanged = full && !foldsNames(options.traits) ? baseline.records.unchanged() : undefined
  const seen = full
    ? await scanWhole(root, input, { ...options, onProblem }, unclear, unchanged)
    : observe(root, paths, onProblem)
  const read = new Map<TreePath, Entry>()
  const signatures = new Map<TreePath, string>()
  const put = (path: TreePath, have: Entry) => read.set(path, asWanted(have, target.get(path), options.traits))
  for (const [path, what] of seen) {
    const record = baseline.records.get(path)
    // The user's own is not even read.
    if (record === undefined && target.get(path) === undefined && !mayBeOurs?.(path)) continue
    if (what.type !== 'file') put(path, what)
    else if (record?.entry.type === 'file' && record.signature !== '' && record.signature === what.signature) {
      signatures.set(path, record.signature)
    } else if (record !== undefined && isFresh(record, what, target.get(path), options.traits)) {
      read.set(path, record.entry)
    } else {
      const file = await readLocal(root, path, onProblem, options)
      options.onRead()
      if (file === undefined) continue
      const { signature, ...content } = file
      put(path, { type: 'file', ...content, extents: [] })
      signatures.set(path, signature)
    }
  }
  // What is as it was isn't held twice.
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

/** What is seen of a file that is as recorded. */
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
    onProblem: () => {}, // What of the user's own can't be read is no concern of a mirror.
    onProgress: options.onScanned
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
    await options.onRealigned(movedRecords(baseline, names, (path) => !seen.has(path)))
  }
  // What can't be looked at is not deleted.
  const isSeen = (path: TreePath) => seen.has(path) || unchanged?.has(path)
  for (const path of baseline.records.keys()) if (!isSeen(path) && scan.frozen(path, 'file')) unclear.add(path)
  return seen
}

/**
 * What is recorded under another spelling of a wanted name, and would be recorded under that one.
 *
 * @param isFree whether what is recorded doesn't stand under its recorded name any more
 */
function movedRecords(
  { records }: LiveBaseline,
  wanted: Names,
  isFree: (path: TreePath) => boolean
): Map<TreePath, TreePath> {
  const moved = new Map<TreePath, TreePath>()
  const realigned = new Realigned(wanted)
  for (const path of [...records.keys()].sort()) {
    const now = realigned.of(path, (from, to) => isFree(from) && !records.has(to))
    if (now !== path && !records.has(now)) moved.set(path, now)
  }
  return moved
}

/**
 * Whether a file is as it was left a moment ago, as far as coarse times tell. Nothing is to be done with
 * it, so it is read only when another change would show.
 */
function isFresh(
  { entry, signature }: BaselineRecord,
  what: SeenFile,
  want: Entry | undefined,
  traits: FileSystemTraits
): boolean {
  if (!hasCoarseTimes(traits) || signature !== '' || entry.type !== 'file' || !sameEntry(want, entry)) return false
  const isNear = (timeMs: number) => Math.abs(what.mtimeMs - timeMs) < traits.timeStepMs
  return what.size === entry.size && isNear(entry.mtimeMs) && isNear(Date.now())
}

async function readLocal(
  root: string,
  path: TreePath,
  onProblem: (problem: Problem) => void,
  options: ObserveOptions,
  attempt = 1
): Promise<ReadFile | undefined> {
  const { signal, traits, onRead } = options
  try {
    return await hashFile(root, path, signal, onRead)
  } catch (error) {
    if (!(error instanceof TornRead) && systemCode(error) === undefined) throw error
    if (error instanceof TornRead && hasCoarseTimes(traits) && attempt === 1) {
      // What was changed in this moment is so for long where times are coarse.
      await sleep(Math.min(traits.timeStepMs + 100, coarseWaitMsMax), undefined, { signal })
      return readLocal(root, path, onProblem, options, attempt + 1)
    }
    onProblem({ path, action: 'read', message: messageOf(error) })
    return undefined
  }
}

/** What stood at the paths of a plan when it was made. */
export function observedOf({ steps }: Plan, seen: LocalState['seen']): ReadonlyMap<TreePath, Seen> {
  const observed = new Map<TreePath, Seen>()
  for (const step of steps) {
    for (const path of step.op === 'move' ? [step.from, step.path] : [step.path]) {
      const what = seen.get(path)
      if (what !== undefined) observed.set(path, what)
    }
  }
  return observed
}
