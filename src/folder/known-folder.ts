import { dirname, join, relative, resolve } from 'node:path'
import { isDirectory, readMarker } from '../disk/state/marker.ts'
import { SyncError } from '../errors.ts'
import { stateDirectoryName } from '../tree/path.ts'

/** Where a folder is, and what of it is known without opening anything. */
export interface KnownFolder {
  readonly root: string
  /** Where store and state are. */
  readonly home: string
  /** As its marker has it. */
  readonly id: string
  readonly role: 'writer' | 'reader'
  /** Where in the folder the directory is that was named; empty when it is the folder itself. */
  readonly inside: string
  /** Printed form; `undefined` for one that was never shared to its first version. */
  readonly key: string | undefined
}

/**
 * A folder by its directory, or by one within it.
 *
 * @param state where its state was put; as its marker says, when left out
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
