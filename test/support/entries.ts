import { createHash } from 'node:crypto'
import type { DirectoryEntry, Extent, FileEntry, SymlinkEntry } from '../../src/tree/entry.ts'
import { parseTreePath, type TreePath } from '../../src/tree/path.ts'

/** 2021-03-04T05:06:07.089Z: not a whole second, so that rounding shows. */
export const someTimeMs = 1_614_834_367_089

/** `text` as a path; throws if it is none. */
export function pathOf(text: string): TreePath {
  const path = parseTreePath(text)
  if (path === undefined) throw new Error(`Not a path: ${text}`)
  return path
}

export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

interface Metadata {
  readonly mode?: number
  readonly mtimeMs?: number
}

export function fileOf(
  content: string | Uint8Array,
  { mode = 0o644, mtimeMs = someTimeMs, extents = [] }: Metadata & { readonly extents?: readonly Extent[] } = {}
): FileEntry {
  return { type: 'file', mode, mtimeMs, size: Buffer.byteLength(content), hash: hashOf(content), extents }
}

export function directoryOf({ mode = 0o755, mtimeMs = someTimeMs }: Metadata = {}): DirectoryEntry {
  return { type: 'directory', mode, mtimeMs }
}

export function symlinkOf(target: string, { mtimeMs = someTimeMs }: Metadata = {}): SymlinkEntry {
  return { type: 'symlink', mtimeMs, target }
}
