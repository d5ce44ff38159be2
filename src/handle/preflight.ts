import { checkFolder } from '../folder/folder.ts'
import { parseKey, printKey } from '../log/hypercore/key.ts'

// A mistyped path or key is the most frequent error of `share` and `clone`. These checks find it without the modules
// that run a folder, which take several times as long to load as everything else. Opening the folder checks again.

export interface PreflightOptions {
  readonly adopt?: boolean
  readonly existing?: boolean
}

/** @throws {SyncError} as opening the shared folder would */
export function checkShare(directory: string, { existing }: PreflightOptions = {}): void {
  checkFolder(directory, { role: 'writer', existing })
}

/** @throws {SyncError} as opening the mirror would */
export function checkClone(key: string, directory: string, { adopt, existing }: PreflightOptions = {}): void {
  checkFolder(directory, { role: 'reader', key: printKey(parseKey(key)), adopt, existing })
}
