import type { LiveBaseline } from '../baseline/baseline.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Applied } from '../disk/write/materialise.ts'
import type { ContentSource, Staging } from '../disk/write/stage.ts'
import type { FileSystemTraits } from '../tree/file-system.ts'
import type { IgnoreRules } from '../tree/ignore.ts'
import type { TreePath } from '../tree/path.ts'
import type { Part } from '../tree/select.ts'
import type { Version } from '../tree/tree.ts'
import type { Folder } from './folder.ts'
import type { Monitor } from './monitor.ts'
import type { ReplacedFiles } from './replaced-files.ts'

/** The contents that entries name, for one pass. */
export interface Contents extends ContentSource {
  /** Whether a read waits for a block from peers. */
  readonly isWaiting: boolean
  close(): Promise<void>
}

/** What works on a folder besides its loop takes hold of, for the turn in which it asked for it. */
export interface Workspace {
  readonly folder: Folder
  readonly monitor: Monitor
  readonly staging: Staging
  readonly workers: Workers
  readonly replacedFiles: ReplacedFiles
  readonly baseline: LiveBaseline
  /** What the file system does to names, modes and times. */
  readonly traits: FileSystemTraits
  /** What of the folder is left out of the log; nothing in a mirror. */
  readonly rules?: IgnoreRules
  /** What of the log is wanted; all of it when left out. */
  readonly part?: Part
  /** The version that the baseline stands for to the last path, where it does for one. */
  readonly version: Version | undefined
  /**
   * Where contents come from; to be closed after use.
   *
   * @param patienceMs how long to wait while nothing comes; for a first peer for good, when left out
   * @throws {SyncError} DAMAGED
   */
  content(patienceMs?: number): Promise<Contents>
  /** Records what was written or removed as what the log has. */
  record(applied: Applied): Promise<void>
  /** These paths, which are recorded, are as the log has them again. */
  settled(paths: Iterable<TreePath>): Promise<void>
  /** The folder was changed, and not to what the log has: all is looked at again. */
  touched(): void
}
