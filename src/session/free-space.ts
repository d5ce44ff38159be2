import { dirname } from 'node:path'
import { freeBytes } from '../disk/path/space.ts'
import { removeOldest } from '../disk/write/kept-directory.ts'
import type { Folder } from '../folder/folder.ts'

/** The first attempt frees this much: the databases need room to be opened. */
const bytesMin = 64 * 1024 * 1024
/** Two readings of one disk's free space may differ by this much, as others write to it meanwhile. */
const sameDiskBytes = 16 * 1024 * 1024

/** Frees space on a full disk by removing kept replaced files, each time twice as much until `reset`. */
export class SpaceFromReplacedFiles {
  #bytes = bytesMin

  /** @returns the bytes that were freed; 0 when nothing is kept, or nothing on the disk that is full */
  free({ root, store }: Folder): number {
    // Log and state may be on another disk, and nothing is kept there.
    if (freeBytes(root) > freeBytes(dirname(store)) + sameDiskBytes) return 0
    const removed = removeOldest(root, this.#bytes)
    this.#bytes *= 2
    return removed
  }

  /** The folder has caught up: the next full disk is another one. */
  reset(): void {
    this.#bytes = bytesMin
  }
}
