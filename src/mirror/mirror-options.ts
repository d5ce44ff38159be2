import type { BlockHolders } from '../baseline/block-holders.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Staging } from '../disk/write/stage.ts'
import type { FolderQueue } from '../folder/folder-queue.ts'
import type { ReplacedFiles } from '../folder/replaced-files.ts'
import type { MirrorSelection } from './mirror-selection.ts'

export interface MirrorOptions {
  /** Tells the bytes received from all peers so far. */
  readonly received: () => number
  /** Told of what keeps it from going on; answers whether it is closed for that. */
  readonly onFailure: (error: unknown) => boolean
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** Which files hold which blocks. */
  readonly blocks: BlockHolders
  /** Files larger than this, in bytes, are kept in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  readonly keepReplaced: KeepReplaced
  /** Where files are written. */
  readonly workers: Workers
  /** What it is to hold. */
  readonly selection: MirrorSelection
  /** Whose turns the passes take; a queue of its own when left out. */
  readonly queue?: FolderQueue
  /** Where files are received; a staging of its own when left out. */
  readonly staging?: Staging
  /** Keeps what is replaced or removed; its own when left out. */
  readonly replacedFiles?: ReplacedFiles
}
