import type { ControlClient } from '../../control/client.ts'
import { SyncError } from '../../errors.ts'
import type { KnownFolder } from '../../folder/known-folder.ts'

/** A folder on this machine, and a client of the process that runs it, if there is one. */
export interface FoundFolder {
  readonly folder: KnownFolder
  readonly client: ControlClient | undefined
}

/** @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE */
export async function findRunning(directory: string, state: string | undefined): Promise<FoundFolder> {
  const { findFolder } = await import('../../folder/known-folder.ts')
  const folder = findFolder(directory, state)
  const { ControlClient } = await import('../../control/client.ts')
  return { folder, client: await ControlClient.find(folder.home, folder.id) }
}

/** The error for a folder that no process runs, with the command that starts it. */
export function notRunning({ root, role, key }: KnownFolder): SyncError {
  const start = role === 'writer' ? `p2psync share ${root}` : `p2psync clone ${key} ${root}`
  return new SyncError('NOT_READY', `p2psync is not running on ${root}. Start it: ${start}`)
}
