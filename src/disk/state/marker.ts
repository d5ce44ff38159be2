import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf, SyncError } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import { stateDirectoryName } from '../../tree/path.ts'
import { isAbsence } from '../path/beneath.ts'

/** `folder.json`: marks a directory as a shared or mirrored folder and identifies it. */
export interface Marker {
  readonly format: 1
  /** Random, created with the folder: distinguishes it from another folder at the same path. */
  readonly id: string
  readonly role: 'writer' | 'reader'
  /** The key of the log; `null` for a writer whose store doesn't exist yet. */
  readonly key: string | null
  /** The absolute path of store and state; `null` if they are in the folder. */
  readonly state: string | null
}

const markerName = 'folder.json'

/** Whether `path` is a directory or a symlink to one. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** The path of the marker of the folder `root`. */
export function markerPath(root: string): string {
  return join(root, stateDirectoryName, markerName)
}

/**
 * The marker of a folder; `undefined` if there is none.
 *
 * @throws {SyncError} FOLDER_FORMAT if it is damaged or of a newer version; FOLDER_UNREADABLE
 */
export function readMarker(root: string): Marker | undefined {
  let text: string
  try {
    text = readFileSync(markerPath(root), 'utf8')
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw new SyncError('FOLDER_UNREADABLE', `Can't read ${markerPath(root)}: ${messageOf(error)}`, { cause: error })
  }
  const marker = parseMarker(text)
  if (marker !== undefined) return marker
  throw new SyncError(
    'FOLDER_FORMAT',
    `${markerPath(root)} is damaged, or of a newer p2psync. Nothing was changed. Update p2psync, or restore the file`
  )
}

function parseMarker(text: string): Marker | undefined {
  try {
    const { format, id, role, key, state } = JSON.parse(text) as Record<string, unknown>
    if (format !== 1 || typeof id !== 'string' || (role !== 'writer' && role !== 'reader')) return undefined
    if (!isTextOrNull(key) || !isTextOrNull(state)) return undefined
    return { format, id, role, key, state }
  } catch {
    return undefined
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

/** Writes the marker atomically and durably. */
export function writeMarker(root: string, marker: Marker): void {
  writeWhole(markerPath(root), `${JSON.stringify(marker, null, 2)}\n`)
}

/** `owner.json` in a state directory outside its folder: names the folder it belongs to. */
export interface StateOwner {
  /** The id in the folder's marker. */
  readonly id: string
  /** The path at which the folder was last opened, for people. */
  readonly root: string
}

const ownerName = 'owner.json'

/** The owner of a state directory; `undefined` if it has none. @throws {SyncError} FOLDER_FORMAT */
export function readStateOwner(directory: string): StateOwner | undefined {
  try {
    const { id, root } = JSON.parse(readFileSync(join(directory, ownerName), 'utf8')) as Record<string, unknown>
    return { id: String(id), root: String(root) }
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw new SyncError('FOLDER_FORMAT', `Can't read ${join(directory, ownerName)}: ${messageOf(error)}`, {
      cause: error
    })
  }
}

export function writeStateOwner(directory: string, { id, root }: StateOwner): void {
  writeWhole(join(directory, ownerName), `${JSON.stringify({ format: 1, id, root }, null, 2)}\n`)
}

/** Replaces a small file of p2psync's atomically and durably. @throws the system's error */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.new`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, text) // Unlike a single write, which may be partial on a full disk, it writes all or throws.
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  reached('file-prepared')
  renameSync(temporary, path)
  syncDirectory(dirname(path))
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return // Windows can't open directories.
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
