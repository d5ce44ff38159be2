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

/** The baseline of a folder, and what it is compared with. */
export interface Recorded {
  readonly baseline: LiveBaseline
  /** How the file system treats names, modes and times. */
  readonly traits: FileSystemTraits
  /** The log's entries; `undefined` when they aren't all here, or can't be compared with the baseline. */
  readonly entries: AsyncIterable<readonly [TreePath, Entry]> | undefined
}

/** The part of a folder that `verifyFiles` needs. */
export interface FilesHost {
  readonly folder: Folder
  readonly workers: Workers
  readonly queue: FolderQueue
  /** Call inside a turn of the queue. */
  recorded(): Promise<Recorded>
}

/** An open folder, as `verify` checks and repairs it. */
export interface VerifyHost extends FilesHost {
  readonly store: LogStore
  readonly state: State
  readonly hasher: LeafHasher | undefined
  readonly received: () => number
  cores(): Promise<LogCores>
  overwrite(paths: ReadonlySet<TreePath>, options: OverwriteOptions): Promise<Overwritten>
  /** Sets the store aside and fetches the log again; `undefined` at the writer. @returns a message when that failed */
  readonly rebuild: ((timeout: IdleTimeout) => Promise<string | undefined>) | undefined
  /** Discards the state and rebuilds it from the log. */
  renewState(timeout: IdleTimeout): Promise<void>
}
