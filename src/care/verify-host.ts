import type { LiveBaseline } from '../baseline/baseline.ts'
import type { OverwriteOptions, Overwritten } from '../change/overwrite.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Folder } from '../folder/folder.ts'
import type { FolderQueue } from '../folder/folder-queue.ts'
import type { IdleTimeout } from '../folder/idle-timeout.ts'
import type { LogCores } from '../log/check/damaged-blocks.ts'
import type { LeafHasher } from '../log/hypercore/hash-ahead.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import type { Entry } from '../tree/entry.ts'
import type { FileSystemTraits } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'

/** What is recorded of a folder. */
export interface Recorded {
  readonly baseline: LiveBaseline
  /** What the file system does to names, modes and times. */
  readonly traits: FileSystemTraits
  /** What the log says, where all that tells of it is here. */
  readonly entries: AsyncIterable<readonly [TreePath, Entry]> | undefined
}

/** The part of a folder that is checked without its log. */
export interface FilesHost {
  readonly folder: Folder
  readonly workers: Workers
  readonly queue: FolderQueue
  /** Asked for in a turn. */
  recorded(): Promise<Recorded>
}

/** A folder that is open, as it is checked and mended. */
export interface VerifyHost extends FilesHost {
  readonly store: LogStore
  readonly state: State
  readonly hasher: LeafHasher | undefined
  readonly received: () => number
  cores(): Promise<LogCores>
  overwrite(paths: ReadonlySet<TreePath>, options: OverwriteOptions): Promise<Overwritten>
  /** Sets the store aside and fetches the log anew; `undefined` where it is written here. @returns why not, in words */
  readonly rebuild: ((patience: IdleTimeout) => Promise<string | undefined>) | undefined
  /** Makes the state anew. */
  renewState(patience: IdleTimeout): Promise<void>
}
