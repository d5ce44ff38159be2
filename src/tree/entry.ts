/** A run of bytes in a content core. */
export interface Extent {
  /** Number of the content core in this folder, as in a `BlockRef`. */
  readonly core: number
  /** Index of the first block. */
  readonly block: number
  /** How many blocks in a row hold the run. */
  readonly blocks: number
  /** Where the run begins in the first block (once decoded, for a pack), in bytes. */
  readonly offset: number
  /** Length of the run, in bytes. */
  readonly length: number
  /** Whether the blocks are packs, which carry a header and may be compressed, or bare bytes. */
  readonly packed: boolean
}

/** A regular file. */
export interface FileEntry {
  readonly type: 'file'
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** Modification time, whole milliseconds since 1970; may be negative. */
  readonly mtimeMs: number
  /** Length of the content, in bytes. */
  readonly size: number
  /** SHA-256 of the content, in hexadecimal. */
  readonly hash: string
  /** Where the content is, in order. Empty for an empty file, and for one only seen on disk. */
  readonly extents: readonly Extent[]
}

/** A directory. */
export interface DirectoryEntry {
  readonly type: 'directory'
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** Modification time, whole milliseconds since 1970. */
  readonly mtimeMs: number
}

/** A symbolic link. Its target is data: never resolved, never followed. */
export interface SymlinkEntry {
  readonly type: 'symlink'
  /** Modification time of the link itself, whole milliseconds since 1970. */
  readonly mtimeMs: number
  /** Where it points, as it stands on disk. */
  readonly target: string
}

/** What a tree holds at one path. */
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry

/** The time furthest from 1970 that travels, either way. One beyond it, by a broken clock, is taken for this. */
export const mtimeMsMax = 2 ** 52 - 1

/** Permission bits that travel: never setuid, setgid or sticky. */
export const permissionBits = 0o777

/** SHA-256 of nothing: the hash of every empty file. */
export const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Whether two entries are of one type and hold the same bytes, or point to the same target. */
export function sameContent(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a.type === 'file') return b.type === 'file' && a.hash === b.hash && a.size === b.size
  if (a.type === 'symlink') return b.type === 'symlink' && a.target === b.target
  return b.type === 'directory'
}

/** Whether two entries are equal in all that a user can see. Where the bytes are stored is not. */
export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || !sameContent(a, b)) return false
  return a.mtimeMs === b.mtimeMs && modeOf(a) === modeOf(b)
}

/** The permission bits of an entry; links have none of their own. */
export function modeOf(entry: Entry): number {
  return entry.type === 'symlink' ? permissionBits : entry.mode
}
