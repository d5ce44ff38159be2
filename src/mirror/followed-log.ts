import type { SyncError } from '../errors.ts'
import type { Contents } from '../folder/workspace.ts'
import type { Head } from '../format/head-codec.ts'
import type { BlockRef } from '../tree/block-ref.ts'
import type { Entry, Extent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem, Version } from '../tree/tree.ts'
import type { VersionName } from '../tree/version-name.ts'

/** A path with its entry, `undefined` where the log removes it. */
export type PathChange = readonly [TreePath, Entry | undefined]

/** The log that a mirror follows, as far as the mirror uses it. `LogReader` is one. */
export interface FollowedLog {
  /** The latest version known here, finished or not; `undefined` before the first. */
  readonly version: Version | undefined
  /** Whether a peer is connected that has the log. */
  readonly hasPeers: boolean
  /** Whether at least one peer is connected and none has a credible later version than `version`. */
  isNewest(version: Version | undefined): boolean
  /** Gives a version of an earlier fork as one of the present fork where both share all of it; otherwise as it is. */
  readonly carried: (version: Version) => Version
  /** A number that grows with every block that arrives. */
  received(): Promise<number>

  /** Calls `listener` when the latest version, or a peer, may have changed. @returns a function that ends it */
  onChange(listener: () => void): () => void
  /** Calls `listener` with each error that keeps the log from coming at all. @returns a function that ends it */
  onFailure(listener: (error: SyncError) => void): () => void
  /** Calls `listener` when a new fork replaces contents, with the first block replaced. @returns a function that ends it */
  onContentCut(listener: (block: BlockRef) => void): () => void

  /** The latest finished version up to `version`; `undefined` before the first. @throws {SyncError} DAMAGED */
  finished(version: Version, signal?: AbortSignal): Promise<Version | undefined>
  /** The head of a version. @throws {SyncError} DAMAGED */
  head(version: Version, signal?: AbortSignal): Promise<Head>
  /** The version that a name stands for. @throws {SyncError} NO_SUCH_VERSION, DAMAGED */
  find(name: VersionName, latest: Version, signal: AbortSignal): Promise<Version>

  /** Resolves when all is here that `entriesAt` reads. @throws {SyncError} DAMAGED */
  fetch(version: Version, signal: AbortSignal): Promise<void>
  /** Resolves when all is here that `changes` reads. */
  fetchChanges(from: Version, to: Version, signal: AbortSignal): Promise<void>
  /** Fetches what is missing of the log, a little at a time while `isIdle`. */
  fetchRest(version: Version, isIdle: () => boolean): void

  /** The valid entry of one path. @throws {SyncError} DAMAGED */
  entryAt(version: Version, path: TreePath, signal: AbortSignal): Promise<Entry | undefined>
  /** All entries of a version. @throws {SyncError} DAMAGED; {UnfitSnapshot} once, after which a new try reads the tree itself */
  entriesAt(version: Version, onProblem: (problem: Problem) => void): AsyncIterable<readonly [TreePath, Entry]>
  /** What changed between two versions of one fork. Throws as `entriesAt` does. */
  changes(from: Version, to: Version, onProblem: (problem: Problem) => void): AsyncIterable<PathChange>
  /** Every statement from a length on up to a version, in order. Throws as `entriesAt` does. */
  history(fromLength: number, to: Version, signal: AbortSignal): AsyncIterable<PathChange>

  /**
   * The contents that the entries name, for one pass; to be closed after it.
   *
   * @param received gives the bytes received from all peers so far
   * @param options.impatient whether to wait only for what some peer claims to have
   * @param options.patienceMs how long to wait while nothing comes; without it, as long as it takes for a first peer
   * @throws {SyncError} DAMAGED
   */
  content(
    received: () => number,
    options?: { readonly impatient?: boolean; readonly patienceMs?: number | undefined }
  ): Promise<Contents>
  /** Gives up blocks that lay in files of the folder, except those that `isHeld` says another file holds. */
  release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void>
}
