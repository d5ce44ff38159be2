import { dirname, join, relative, resolve } from 'node:path'
import { isDirectory, readMarker } from '../disk/state/marker.ts'
import { SyncError } from '../errors.ts'
import { stateDirectoryName } from '../tree/path.ts'

/** A folder by its marker, without opening its databases. */
export interface KnownFolder {
  readonly root: string
  /** The directory of store and state. */
  readonly home: string
  /** Of its marker. */
  readonly id: string
  readonly role: 'writer' | 'reader'
  /** The path in the folder of the directory that was given; empty for the folder itself. */
  readonly inside: string
  /** Printed form; `undefined` for a source without a first version. */
  readonly key: string | undefined
}

/**
 * Finds a folder by its directory, or by a directory within it.
 *
 * @param state the directory of its state; as its marker says, when left out
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE
 */
export function findFolder(directory: string, state?: string): KnownFolder {
  const start = resolve(directory)
  if (!isDirectory(start)) throw new SyncError('FOLDER_MISSING', `There is no directory ${start}`)
  for (let root = start; ; root = dirname(root)) {
    const marker = readMarker(root)
    if (marker !== undefined) {
      const home = state === undefined ? (marker.state ?? join(root, stateDirectoryName)) : resolve(state)
      const inside = relative(root, start)
      return { root, home, id: marker.id, role: marker.role, inside, key: marker.key ?? undefined }
    }
    if (root === dirname(root)) break
  }
  throw new SyncError('FOLDER_MISSING', `${start} is not a folder of p2psync. Share it first, or mount its disk`)
}
