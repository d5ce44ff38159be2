import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf, SyncError } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import { stateDirectoryName } from '../../tree/path.ts'
import { isAbsence } from '../path/beneath.ts'

/** `folder.json`: says that a directory is a folder of ours, and which one. */
export interface Marker {
  readonly format: 1
  /** Random, made with the folder: tells it from any other that stands in its place. */
  readonly id: string
  readonly role: 'writer' | 'reader'
  /** The key of the log; a writer's is known only once its store is made. */
  readonly key: string | null
  /** Where store and state are when not in the folder, an absolute path. */
  readonly state: string | null
}

const markerName = 'folder.json'

/** Whether there is a directory at `path`, or a link to one. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Where the marker of the folder `root` is. */
export function markerPath(root: string): string {
  return join(root, stateDirectoryName, markerName)
}

/**
 * The marker of a folder, or `undefined` where there is none.
 *
 * @throws {SyncError} FOLDER_FORMAT when it can't be understood
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

/** Writes the marker so that it is there whole, also after a power cut. */
export function writeMarker(root: string, marker: Marker): void {
  writeWhole(markerPath(root), `${JSON.stringify(marker, null, 2)}\n`)
}

/** `owner.json` in a state directory outside its folder: whose it is. */
export interface StateOwner {
  /** The id in the folder's marker. */
  readonly id: string
  /** Where the folder was when it was last opened, for people. */
  readonly root: string
}

const ownerName = 'owner.json'

/** Whose state a directory holds, or `undefined` where it holds none. */
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

/** Replaces a small file of ours at once and durably. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.new`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, text) // All of it or a failure, where one write may do a part on a full disk.
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  reached('file-prepared')
  renameSync(temporary, path)
  syncDirectory(dirname(path))
}

/** Makes the names in a directory survive a power cut. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return // Directories can't be opened there.
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
