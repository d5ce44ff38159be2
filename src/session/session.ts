import type { BlockHolders } from '../baseline/block-holders.ts'
import type { Totals } from '../baseline/totals.ts'
import type { Collectable } from '../care/collect-garbage.ts'
import type { Recorded } from '../care/verify-host.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Staging } from '../disk/write/stage.ts'
import type { Folder } from '../folder/folder.ts'
import type { FolderQueue } from '../folder/folder-queue.ts'
import type { Loop } from '../folder/loop.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { ReplacedFiles } from '../folder/replaced-files.ts'
import type { Tasks } from '../folder/tasks.ts'
import type { LogCores } from '../log/check/damaged-blocks.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import type { LogReader } from '../log/reader.ts'
import type { LogWriter } from '../log/writer.ts'
import type { Mirror } from '../mirror/mirror.ts'
import type { MirrorSelection } from '../mirror/mirror-selection.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { LogSource } from '../query/log-source.ts'
import type { BlockRef } from '../tree/block-ref.ts'
import type { Extent } from '../tree/entry.ts'
import type { FolderNetwork } from './folder-network.ts'

/** The part of a session that publishes the folder. */
export interface Publishes {
  readonly writer: LogWriter
  readonly publisher: Publisher
}

/** The part of a session that follows a log which is written elsewhere. */
export interface Follows {
  readonly reader: LogReader
  readonly mirror: Mirror
  readonly selection: MirrorSelection
}

/** What a folder has one of, however many loops work on it. */
export interface SharedParts {
  readonly folder: Folder
  readonly monitor: Monitor
  readonly network: FolderNetwork
  readonly store: LogStore
  readonly state: State
  /** Which files hold which blocks. */
  readonly blocks: BlockHolders
  readonly workers: Workers
  readonly staging: Staging
  readonly replacedFiles: ReplacedFiles
  /** One pass or operation at a time works on the folder. */
  readonly queue: FolderQueue
  /** Files larger than this, in bytes, are kept in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** Whether its loops don't start by themselves: it is open for single operations. */
  readonly isIdle: boolean
  /** Called with what a loop can't get over by trying again. @returns whether the session is closed for it */
  readonly onFailure: (error: unknown) => boolean
}

/** All that is open at once while a folder is open. */
export interface Session extends SharedParts {
  /** The key of the log, in printed form. */
  readonly key: string
  /** Operations that end before the session closes. */
  readonly tasks: Tasks
  readonly publishes: Publishes | undefined
  readonly follows: Follows | undefined
  /** Whichever of the two works on the folder. */
  readonly loop: SessionLoop
  /** For operations that read the log. */
  readonly source: LogSource
  /** Closes all of it, once. @throws the first failure, when everything is closed that can be */
  close(): Promise<void>
}

/** A log that is open, before its loop exists. */
export interface SessionLog {
  /** In printed form. */
  readonly key: string
  /** Gives up the stored copies of blocks that no file holds any more. */
  release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void>
  createLoop(shared: SharedParts): Promise<SessionLoop>
  close(): Promise<void>
  /** Makes durable what was written. */
  flush(): Promise<void>
}

/** The publisher or the mirror, as everything else in a session sees it. */
export interface SessionLoop extends Loop {
  readonly publishes?: Publishes
  readonly follows?: Follows
  readonly source: LogSource
  /** The version that the folder holds; `undefined` before the first. */
  readonly holds: number | undefined
  /** The newest version that is known of, here or at a connected peer. */
  readonly newest: number | undefined
  /** Totals of the recorded files. */
  readonly totals: Readonly<Totals>
  /** What is recorded of the folder, to verify its files. Call it in a turn of the queue. */
  recorded(): Promise<Recorded>
  /** The log's cores, to verify their blocks. */
  cores(): Promise<LogCores>
  /** The log, to forget old contents of it. */
  readonly collectable: Pick<Collectable, 'version' | 'garbage' | 'complete' | 'repack'>
  start(): void
  close(): Promise<void>
}
