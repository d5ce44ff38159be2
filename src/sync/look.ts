import { observe } from '../disk/observe.ts'
import { hashFile, type ReadFile, TornRead } from '../disk/read.ts'
import { scanFolder } from '../disk/scan.ts'
import { messageOf, systemCode } from '../errors.ts'
import type { Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem, TreeView } from '../tree/tree.ts'
import type { LiveBaseline } from './baseline.ts'

/** What a mirror's folder holds where a plan is to be made. */
export interface Look {
  /** Only what was looked at. */
  readonly local: TreeView
  readonly seen: ReadonlyMap<TreePath, Seen>
  /** The signatures under which what is said of files holds. */
  readonly signatures: ReadonlyMap<TreePath, string>
  /** Paths that couldn't be read, or not in one piece. */
  readonly unclear: ReadonlySet<TreePath>
}

export interface LookOptions {
  readonly signal: AbortSignal
  readonly onProblem: (problem: Problem) => void
  /** Called with the number of paths seen so far. */
  readonly onScanned: (paths: number) => void
  /** Called now and then while files are read. */
  readonly onRead: () => void
}

/**
 * Looks at what a mirror's folder holds, and reads it where the baseline doesn't tell. The user's own
 * files, which neither baseline nor target know of, aren't read.
 *
 * @param paths the paths to look at; the whole folder when left out
 */
export async function lookAt(
  root: string,
  {
    baseline,
    target,
    paths
  }: Readonly<{ baseline: LiveBaseline; target: TreeView; paths?: ReadonlySet<TreePath> | undefined }>,
  options: LookOptions
): Promise<Look> {
  const unclear = new Set<TreePath>()
  const onProblem = (problem: Problem) => {
    unclear.add(problem.path as TreePath)
    options.onProblem(problem)
  }
  const seen = paths === undefined ? await scan(root, baseline, unclear, options) : observe(root, paths, onProblem)
  const read = new Map<TreePath, Entry>()
  const signatures = new Map<TreePath, string>()
  for (const [path, what] of seen) {
    const record = baseline.records.get(path)
    if (record === undefined && target.get(path) === undefined) continue // The user's own: not even read.
    if (what.type !== 'file') read.set(path, what)
    else if (record?.entry.type === 'file' && record.signature !== '' && record.signature === what.signature) {
      signatures.set(path, record.signature)
    } else {
      const file = await readLocal(root, path, onProblem, options)
      options.onRead()
      if (file === undefined) continue
      const { signature, ...content } = file
      read.set(path, { type: 'file', ...content, extents: [] })
      signatures.set(path, signature)
    }
  }
  // What is as it was isn't held twice.
  const local: TreeView = { get: (path) => read.get(path) ?? (signatures.has(path) ? baseline.entry(path) : undefined) }
  return { local, seen, signatures, unclear }
}

async function scan(
  root: string,
  baseline: LiveBaseline,
  unclear: Set<TreePath>,
  { signal, onScanned }: LookOptions
): Promise<ReadonlyMap<TreePath, Seen>> {
  const { seen, frozen } = await scanFolder(root, {
    signal,
    onProblem: () => {}, // What of the user's own can't be read is no concern of a mirror.
    onProgress: onScanned
  })
  // What can't be looked at is not deleted.
  for (const path of baseline.records.keys()) if (!seen.has(path) && frozen(path, 'file')) unclear.add(path)
  return seen
}

async function readLocal(
  root: string,
  path: TreePath,
  onProblem: (problem: Problem) => void,
  { signal, onRead }: LookOptions
): Promise<ReadFile | undefined> {
  try {
    return await hashFile(root, path, signal, onRead)
  } catch (error) {
    if (!(error instanceof TornRead) && systemCode(error) === undefined) throw error
    onProblem({ path, action: 'read', message: messageOf(error) })
    return undefined
  }
}
