import type { Head } from '../format/head-codec.ts'
import type { ChangeReport } from '../tree/change.ts'
import type { Entry } from '../tree/entry.ts'
import type { Version } from '../tree/tree.ts'

/** An entry in JSON output. FORMAT: versions of the program only ever add fields. */
export interface EntryFields {
  readonly path: string
  readonly kind: Entry['type']
  /** Bytes; files only. */
  readonly size?: number
  /** Permission bits in octal; files and directories only. */
  readonly mode?: string
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
  /** SHA-256 of the content, in hexadecimal; files only. */
  readonly hash?: string
  /** Links only. */
  readonly target?: string
}

export type EntryRecord = EntryFields & { readonly type: 'entry' }

/** A version, as the writer recorded it. */
export interface VersionRecord {
  readonly type: 'version'
  readonly version: number
  readonly fork: number
  /** The time of the commit by the writer's clock, in milliseconds since 1970. */
  readonly timeMs: number
  /** The totals of the whole tree. */
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly bytes: number
}

/** A change of one path, with the fields of the entry after the change, or before its removal. */
export type ChangeRecord = EntryFields & {
  readonly version: number
} & (
    | { readonly type: 'added' | 'removed' }
    /** With `metadata`, only the mode or the time changed. */
    | { readonly type: 'changed'; readonly sizeBefore?: number; readonly metadata: boolean }
    | { readonly type: 'moved'; readonly from: string }
  )

export function fieldsOf(path: string, entry: Entry): EntryFields {
  const { type: kind, mtimeMs } = entry
  const mode = entry.type === 'symlink' ? {} : { mode: entry.mode.toString(8).padStart(4, '0') }
  if (entry.type === 'file') return { path, kind, size: entry.size, ...mode, mtimeMs, hash: entry.hash }
  if (entry.type === 'symlink') return { path, kind, mtimeMs, target: entry.target }
  return { path, kind, ...mode, mtimeMs }
}

export function versionRecord({ length, fork }: Version, head: Head): VersionRecord {
  const { timeMs, files, directories, symlinks, bytes } = head
  return { type: 'version', version: length, fork, timeMs, files, directories, symlinks, bytes }
}

export function changeRecord(version: number, report: ChangeReport): ChangeRecord {
  const { type, path } = report
  const fields = { version, ...fieldsOf(path, report.type === 'removed' ? report.before : report.after) }
  if (type === 'moved') return { type, from: report.from, ...fields }
  if (type !== 'changed') return { type, ...fields }
  const sizeBefore = report.before.type === 'file' ? { sizeBefore: report.before.size } : {}
  return { type, ...fields, ...sizeBefore, metadata: report.onlyMetadata }
}
