import type { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Staging } from '../disk/write/stage.ts'
import type { FolderQueue } from '../folder/folder-queue.ts'
import type { ReplacedFiles } from '../folder/replaced-files.ts'
import type { MirrorSelection } from './mirror-selection.ts'

/** What a mirror works with. Those parts that it may share with another loop of its folder it makes for itself when left out. */
export interface MirrorOptions {
  /** Gives the bytes received from all peers so far. */
  readonly received: () => number
  /** Called with each error that keeps the mirror from going on. @returns whether that closes the mirror */
  readonly onFailure: (error: unknown) => boolean
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** Which files hold which blocks. */
  readonly blocks: BlockHolders
  /** Files larger than this, in bytes, are kept in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** How long, and up to how much, large files are kept that the log replaces or removes. */
  readonly keepReplaced: KeepReplaced
  /** The threads that write files. */
  readonly workers: Workers
  /** The part and the version of the log that the mirror holds. */
  readonly selection: Pick<MirrorSelection, 'part' | 'isPinned' | 'pinned' | 'onChange'>
  /** Shared: lets the loops, and other operations, work on the folder one at a time. */
  readonly queue?: FolderQueue
  /** Shared: the directory where files are received. */
  readonly staging?: Staging
  /** Shared: keeps large files that the log replaces or removes. */
  readonly replacedFiles?: ReplacedFiles
  /** Shared: reads the baseline, each time that the mirror opens the folder anew. */
  readonly loadBaseline?: () => Promise<LiveBaseline>
}
