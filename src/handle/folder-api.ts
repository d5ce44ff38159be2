import type { Collected, CollectOptions } from '../care/collect-garbage.ts'
import type { VerifyEvent, VerifyOptions } from '../care/verify-events.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import type { InPlaceOptions } from '../folder/in-place-options.ts'
import type { SyncEvent } from '../folder/monitor.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import type { Selected, SelectOptions } from '../mirror/change-selection.ts'
import type { Limits, PeerStatus } from '../net/status.ts'
import type { ConnectOptions, Traffic } from '../peers/connections.ts'
import type { Problem } from '../tree/tree.ts'
import type { StatusRecord } from './status.ts'

/** What `share` and `clone` both take. */
export interface CommonFolderOptions extends ConnectOptions, InPlaceOptions {
  /** Keeps the log and the state in this directory rather than in the folder. */
  readonly state?: string
  /** Never connects to peers. */
  readonly offline?: boolean
  /** Refuses a directory that isn't such a folder yet. */
  readonly existing?: boolean
}

/** How `share` watches and publishes a folder. */
export interface ShareOptions extends CommonFolderOptions {
  /**
   * Takes a log that was copied or restored from elsewhere as the only one that is used from now on: two that write one
   * log break it for its readers.
   */
  readonly moved?: boolean
  /** Finds changes by scanning the folder again and again, for file systems without notifications. */
  readonly poll?: boolean
  /** Between two such scans, in milliseconds. 2 seconds when left out. */
  readonly pollIntervalMs?: number
  /** Between two scans beside notifications, in milliseconds. 10 minutes when left out. */
  readonly rescanIntervalMs?: number
  /** Reads every file in the first scan, also those that look unchanged: a disk may have changed one without a trace. */
  readonly checksum?: boolean
}

/** How `clone` mirrors a folder. */
export interface CloneOptions extends CommonFolderOptions {
  /** Takes a directory that isn't empty: files that match are kept, others stay as the user's own. */
  readonly adopt?: boolean
  /** Refuses symlinks whose target is absolute or could lead out of the folder; a link that is there already stays. */
  readonly safeLinks?: boolean
  /** Only the paths that one of these patterns matches, in the syntax of `.gitignore`; stored with the mirror. */
  readonly only?: readonly string[]
  /** None of the paths that one of these matches; stored with the mirror. */
  readonly exclude?: readonly string[]
  /** Keeps the mirror at this version: a number, `-1` for the one before the newest, a time or an age; stored with it. */
  readonly version?: string
  /** Sets the log aside and fetches it anew, for a log that is damaged; files that match are kept. */
  readonly rebuild?: boolean
  /**
   * How long, and up to how many bytes, the contents of files above `inPlaceAbove` are kept when the log replaces or
   * removes them; stored with the mirror. It applies to what is kept already, too.
   */
  readonly keepReplaced?: KeepReplaced
}

/** A folder at work in this process: what `share` and `clone` both return. It iterates over its events. */
export interface OpenFolder extends AsyncIterable<SyncEvent> {
  /** The folder's key, in printed form. @throws {SyncError} NOT_READY where it isn't known yet */
  readonly key: string
  /** What is wrong with single paths at the moment. */
  readonly problems: readonly Problem[]
  /** How many peers are connected. */
  readonly peers: number
  /** The connected peers, and how each is connected. */
  readonly connections: readonly PeerStatus[]
  /** Bytes received and sent since the start. */
  readonly traffic: Traffic
  /** Why no peer is connected, in a sentence for people. */
  readonly whyNoPeers: string
  /** The version that the folder holds, but for paths with problems; `undefined` before the first. */
  readonly holds: number | undefined
  /** Large files that were replaced or removed, and whose contents are still here, the oldest first. */
  readonly kept: readonly KeptContent[]
  /** Whether it is paused. */
  readonly isPaused: boolean

  /**
   * Resolves when the folder is open and its loop runs.
   *
   * @throws {SyncError} when it can't be opened; none of the user's files was touched then
   */
  ready(): Promise<void>

  /** Stops working on the folder, makes everything durable, and lets go of the directory. */
  close(): Promise<void>

  /** Rejects when the work can't go on at all, as when its store is damaged; an `error` event has told why. */
  broken(): Promise<never>

  /** Calls `listener` with every event from now on. @returns a function that ends it */
  subscribe(listener: (event: SyncEvent) => void): () => void

  /**
   * Every event from now on, until the folder is closed. When events come faster than the loop takes them, progress is
   * dropped first; beyond 10,000 others waiting, the oldest.
   */
  [Symbol.asyncIterator](): AsyncIterator<SyncEvent>

  /** The folder's state and progress, as `p2psync status --json` prints it. @throws {SyncError} NOT_READY */
  status(): StatusRecord

  /** Changes how many bytes per second may go to and come from all peers together. */
  limit(limits: Limits): void

  /**
   * Pauses the folder after its current pass, until `resume`, also across restarts: it connects to nobody and changes
   * nothing, and can be read all the same.
   *
   * @throws {SyncError} NOT_READY
   */
  pause(): Promise<void>

  /** Ends the pause. @throws {SyncError} NOT_READY */
  resume(): Promise<void>

  /**
   * Forgets the contents of old versions and gives their disk space back, while the folder is at work. The history of
   * paths stays known, and so do the contents that the folder holds.
   *
   * @throws {SyncError} NO_PEER where not all of the log is here; NOT_READY, DISK_FULL, DAMAGED, CLOSED
   */
  collectGarbage(options: CollectOptions): Promise<Collected>

  /**
   * Compares the disk with the signed log, and repairs damage if asked to; the folder may be at work meanwhile. Damage is
   * yielded as it is found; the last event sums it up.
   *
   * @throws {SyncError} NOT_READY, USAGE, HALTED; the signal's reason
   */
  verify(options?: VerifyOptions): AsyncGenerator<VerifyEvent>
}

/** A folder that is published from here. */
export interface SharedFolder extends OpenFolder {
  /**
   * Resolves when the folder, as it was at some moment after the call, is published.
   *
   * @throws {SyncError} CLOSED when the folder is closed first
   */
  published(): Promise<void>
}

/** A folder that mirrors one published elsewhere. */
export interface ClonedFolder extends OpenFolder {
  /**
   * Resolves when the folder, at some moment after the call, holds the newest version that its connected peers have.
   *
   * @throws {SyncError} CLOSED when the folder is closed first
   */
  inSync(): Promise<void>

  /**
   * Changes which part of the log the mirror holds, and of which version; without any option it only reads that.
   *
   * @throws {SyncError} USAGE, NOT_READY, FOLDER_FORMAT, LOCKED
   */
  select(options?: SelectOptions): Promise<Selected>
}
