import type { Head } from '../format/head-codec.ts'
import type { ChangeReport } from '../tree/change.ts'
import type { Entry } from '../tree/entry.ts'
import type { Version } from '../tree/tree.ts'

/** An entry as it is told to programs. FORMAT: fields are only ever added. */
export interface EntryFields {
  readonly path: string
  readonly kind: Entry['type']
  /** Bytes; of files alone. */
  readonly size?: number
  /** Permission bits in octal; not of links. */
  readonly mode?: string
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
  /** SHA-256 of the content, in hexadecimal; of files alone. */
  readonly hash?: string
  /** Of links alone. */
  readonly target?: string
}

export type EntryRecord = EntryFields & { readonly type: 'entry' }

/** A version, as the writer recorded it. */
export interface VersionRecord {
  readonly type: 'version'
  readonly version: number
  readonly fork: number
  /** When it was made, by the writer's clock, in milliseconds since 1970. */
  readonly timeMs: number
  /** Of the whole tree. */
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly bytes: number
}

/** A change of one path; what is told of the entry is what it is afterwards, or was before it was removed. */
export type ChangeRecord = EntryFields & {
  readonly version: number
} & (
    | { readonly type: 'added' | 'removed' }
    /** Only its mode or its time, where `metadata`. */
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

export function changeRecord(version: number, told: ChangeReport): ChangeRecord {
  const { type, path } = told
  const fields = { version, ...fieldsOf(path, told.type === 'removed' ? told.before : told.after) }
  if (type === 'moved') return { type, from: told.from, ...fields }
  if (type !== 'changed') return { type, ...fields }
  const sizeBefore = told.before.type === 'file' ? { sizeBefore: told.before.size } : {}
  return { type, ...fields, ...sizeBefore, metadata: told.onlyMetadata }
}
