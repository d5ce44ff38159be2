import { ControlClient } from '../../control/client.ts'
import { SyncError } from '../../errors.ts'
import { findFolder, type KnownFolder } from '../../folder/known-folder.ts'

/** A folder on this machine, and who is at work on it, if anybody is. */
export interface FoundFolder {
  readonly folder: KnownFolder
  readonly client: ControlClient | undefined
}

/** @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE */
export async function findRunning(directory: string, state: string | undefined): Promise<FoundFolder> {
  const folder = findFolder(directory, state)
  return { folder, client: await ControlClient.find(folder.home, folder.id) }
}

/** That nobody is at work on a folder, and what to do about it. */
export function notRunning({ root, role, key }: KnownFolder): SyncError {
  const start = role === 'writer' ? `p2psync share ${root}` : `p2psync clone ${key} ${root}`
  return new SyncError('NOT_READY', `Nobody is at work on ${root}. Start it: ${start}`)
}
