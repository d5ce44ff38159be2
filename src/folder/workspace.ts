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

/** A folder as an operation works on it, for the turn of the queue in which the operation asked for it. */
export interface Workspace {
  readonly folder: Folder
  readonly monitor: Monitor
  readonly staging: Staging
  readonly workers: Workers
  readonly replacedFiles: ReplacedFiles
  readonly baseline: LiveBaseline
  /** How the file system changes names, modes and times. */
  readonly traits: FileSystemTraits
  /** The paths that a source leaves out of the log. */
  readonly rules?: IgnoreRules
  /** The part of the log that a mirror holds; all of it when left out. */
  readonly part?: Part
  /** The version that the baseline equals to the last path, if there is one. */
  readonly version: Version | undefined
  /**
   * Opens a reader of contents, which has to be closed after use.
   *
   * @param patienceMs how long to wait while no bytes come; for a first peer without end, when left out
   * @throws {SyncError} DAMAGED
   */
  content(patienceMs?: number): Promise<Contents>
  /** Records paths that were written or removed as equal to the log. */
  record(applied: Applied): Promise<void>
  /** These recorded paths are equal to the log again. */
  settled(paths: Iterable<TreePath>): Promise<void>
  /** The folder was changed to something other than the log: everything is scanned again. */
  touched(): void
}
