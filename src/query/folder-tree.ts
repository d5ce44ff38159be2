import { hashFile } from '../disk/read/read.ts'
import { scanFolder } from '../disk/read/scan.ts'
import { readIgnoreFile } from '../disk/state/ignore-file.ts'
import type { State } from '../disk/state/state.ts'
import { messageOf, systemCode } from '../errors.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { parseIgnoreRules } from '../tree/ignore.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem } from '../tree/tree.ts'

export interface FolderTreeOptions {
  readonly onProblem: (problem: Problem) => void
  readonly signal: AbortSignal
}

/** The tree of a folder on disk, without ignored paths. Reads only files whose signature isn't the recorded one. */
export async function folderTree(
  root: string,
  records: State['records'],
  { onProblem, signal }: FolderTreeOptions
): Promise<ReadonlyMap<TreePath, Entry>> {
  const recorded = new Map<TreePath, BaselineRecord>()
  for await (const [path, record] of records()) recorded.set(path, record)
  const rules = parseIgnoreRules(readIgnoreFile(root))
  const { seen } = await scanFolder(root, { rules, onProblem, signal })
  const tree = new Map<TreePath, Entry>()
  for (const [path, found] of seen) {
    signal.throwIfAborted()
    const entry = await entryAt(root, path, found, recorded.get(path), signal).catch((error: unknown) => {
      if (systemCode(error) === undefined) throw error
      onProblem({ path, action: 'read', message: messageOf(error) })
      return recorded.get(path)?.entry
    })
    if (entry !== undefined) tree.set(path, entry)
  }
  return tree
}

async function entryAt(
  root: string,
  path: TreePath,
  seen: Seen,
  record: BaselineRecord | undefined,
  signal: AbortSignal
): Promise<Entry> {
  if (seen.type === 'symlink') return seen
  const { mode, mtimeMs } = seen
  if (seen.type === 'directory') return { type: 'directory', mode, mtimeMs }
  const isKnown = record?.entry.type === 'file' && record.signature !== '' && record.signature === seen.signature
  if (isKnown) return { ...(record.entry as Extract<Entry, { type: 'file' }>), mode, mtimeMs }
  const { signature: _, ...file } = await hashFile(root, path, signal)
  return { type: 'file', ...file, extents: [] }
}
