import { createHash } from 'node:crypto'
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '../../src/tree/entry.ts'
import { parseTreePath, type TreePath } from '../../src/tree/path.ts'

/** A path that the test knows to be safe. */
export function path(text: string): TreePath {
  const parsed = parseTreePath(text)
  if (parsed === undefined) throw new Error(`${JSON.stringify(text)} is no path`)
  return parsed
}

/** A file that holds `text`. */
export function file(text: string, metadata: Partial<Pick<FileEntry, 'mode' | 'mtimeMs'>> = {}): FileEntry {
  const hash = createHash('sha256').update(text).digest('hex')
  return { type: 'file', mode: 0o644, mtimeMs: 1000, size: Buffer.byteLength(text), hash, extents: [], ...metadata }
}

export function directory(metadata: Partial<Pick<DirectoryEntry, 'mode' | 'mtimeMs'>> = {}): DirectoryEntry {
  return { type: 'directory', mode: 0o755, mtimeMs: 1000, ...metadata }
}

export function symlink(target: string, metadata: Partial<Pick<SymlinkEntry, 'mtimeMs'>> = {}): SymlinkEntry {
  return { type: 'symlink', mtimeMs: 1000, target, ...metadata }
}
