import { SyncError } from '../errors.ts'
import type { InPlaceOptions } from '../folder/in-place-options.ts'
import type { KnownFolder } from '../folder/known-folder.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import { ClonedFolderHandle } from './cloned-folder-handle.ts'
import { SharedFolderHandle } from './shared-folder-handle.ts'

export interface OpenIdleOptions extends ConnectOptions, InPlaceOptions {
  /** The directory of its state; as its marker says, when left out. */
  readonly state?: string
  /** Connects to peers. */
  readonly online?: boolean
}

/**
 * A handle of a shared folder or a mirror, whichever it is, for single operations: its loop doesn't run. Nothing happens
 * before `ready()` is called.
 *
 * @throws {SyncError} FOLDER_MISSING
 */
export function openIdle(
  folder: KnownFolder,
  { online = false, ...given }: OpenIdleOptions = {}
): SharedFolderHandle | ClonedFolderHandle {
  const { root, role, key } = folder
  const options = { ...given, existing: true, idle: true, offline: !online }
  if (role === 'writer') return new SharedFolderHandle(root, options)
  if (key === undefined) throw new SyncError('FOLDER_MISSING', `${root} is no folder of p2psync yet`)
  return new ClonedFolderHandle(key, root, options)
}
