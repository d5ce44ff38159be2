import type { BlockHolders } from '../baseline/block-holders.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Folder } from '../folder/folder.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { LogWriter } from '../log/writer.ts'
import type { ChangeTracker } from './change-tracker.ts'
import type { SnapshotPublisher } from './entries-snapshot.ts'
import type { FolderIgnoreRules } from './ignore-rules.ts'
import type { PackBuffers } from './pack-buffers.ts'
import type { TornFiles } from './torn-files.ts'

/** The objects that a publisher's passes work with, for as long as the publisher lives. */
export interface PublishContext {
  readonly folder: Folder
  readonly writer: LogWriter
  readonly state: State
  readonly monitor: Monitor
  readonly tracker: ChangeTracker
  readonly rules: FolderIgnoreRules
  readonly snapshots: SnapshotPublisher
  readonly torn: TornFiles
  readonly buffers: PackBuffers
  readonly blocks: BlockHolders
  readonly workers: Workers
  /** Files larger than this, in bytes, stay in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** Ends a pass early. */
  readonly signal: AbortSignal
}
