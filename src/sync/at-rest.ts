import { resolve } from 'node:path'
import { readMarker } from '../disk/marker.ts'
import { SyncError } from '../errors.ts'
import { ClonedFolder } from './clone.ts'
import { SharedFolder } from './share.ts'

/**
 * A shared folder or a mirror, whichever it is, for what needs its log alone: nothing is published or applied, and nobody is
 * looked for. Nothing happens before `ready()` is called, or what is asked of it.
 *
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE
 */
export function openAtRest(directory: string): SharedFolder | ClonedFolder {
  const root = resolve(directory)
  const marker = readMarker(root)
  if (marker === undefined) {
    throw new SyncError('FOLDER_MISSING', `${root} is not a folder of p2psync. Is its disk mounted?`)
  }
  const options = { existing: true, still: true, offline: true } as const
  if (marker.role === 'writer') return new SharedFolder(root, options)
  return new ClonedFolder(marker.key ?? '', root, options)
}
