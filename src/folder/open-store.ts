import { join } from 'node:path'
import { keepsAttributes } from '../disk/path/capabilities.ts'
import { deviceFileName, LogStore, type StoreOptions } from '../log/hypercore/store.ts'
import type { Folder } from './folder.ts'

/**
 * Opens a folder's store; on a file system without extended attributes, Corestore recognises it by inodes instead. Throws
 * as `LogStore.open` does.
 */
export function openStore({ store }: Folder, copied: NonNullable<StoreOptions['copied']>): Promise<LogStore> {
  return LogStore.open(store, { copied, inodesLast: keepsAttributes(join(store, deviceFileName)) })
}
