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

/** What a folder on disk holds, but for what it ignores. Files are read where what is recorded of them doesn't tell. */
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
  for (const [path, what] of seen) {
    signal.throwIfAborted()
    const entry = await entryAt(root, path, what, recorded.get(path), signal).catch((error: unknown) => {
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
  what: Seen,
  record: BaselineRecord | undefined,
  signal: AbortSignal
): Promise<Entry> {
  if (what.type === 'symlink') return what
  const { mode, mtimeMs } = what
  if (what.type === 'directory') return { type: 'directory', mode, mtimeMs }
  const isKnown = record?.entry.type === 'file' && record.signature !== '' && record.signature === what.signature
  if (isKnown) return { ...(record.entry as Extract<Entry, { type: 'file' }>), mode, mtimeMs }
  const { signature: _, ...file } = await hashFile(root, path, signal)
  return { type: 'file', ...file, extents: [] }
}
