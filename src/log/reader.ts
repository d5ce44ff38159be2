import { setMaxListeners } from 'node:events'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Download } from 'hypercore'
import { attendedClock } from '../attended-clock.ts'
import { databaseFailure, SyncError } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import { type BlockRef, firstCore } from '../tree/block-ref.ts'
import type { Entry, Extent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import { isEarlier, type Problem, type Version } from '../tree/tree.ts'
import type { VersionName } from '../tree/version-name.ts'
import { waitFor } from './async/wait-for.ts'
import { damaged } from './bee/damaged.ts'
import {
  beeOf,
  contentKeyOf,
  entriesOf,
  entryOf,
  headEndingAt,
  headerLength,
  type LogEntry,
  versionOf
} from './bee/entries.ts'
import { findVersion } from './bee/find-version.ts'
import { type IndexFile, PathIndex } from './bee/path-index.ts'
import type { LogCores } from './check/damaged-blocks.ts'
import { type Arrivals, ContentReader } from './content/content.ts'
import type { LogContent } from './content/log-content.ts'
import { isHere, noRelocations, type Relocations, RelocationTable } from './content/relocations.ts'
import { Garbage } from './gc/garbage.ts'
import { type BlockFiles, BlockPlaces, noFiles } from './hypercore/block-places.ts'
import { Claims } from './hypercore/claims.ts'
import { isClosing } from './hypercore/core-state.ts'
import { requestEagerly } from './hypercore/eager-request.ts'
import { hashAhead, type LeafHasher } from './hypercore/hash-ahead.ts'
import { claimsOf, setRequestsInFlight, syncedClaimsOf } from './hypercore/peers.ts'
import { RequestScheduler } from './hypercore/request-scheduler.ts'
import { StallWatch } from './hypercore/stall-watch.ts'
import { type LogStore, parseKey } from './hypercore/store.ts'
import { LogView } from './log-view.ts'
import { EntriesDownload } from './packed/entries-download.ts'

// A Hyperbee's blocks are one entry each, so a cold reader needs a wide window.
const entriesInFlight = [512, 2048] as const

/** Forks remembered. A version from before them counts as one of another history. */
const forksMax = 100

/** After this many versions in a row were looked up, the whole log is fetched. */
const stepsMax = 8
/** How long to wait for the rest of a log, in milliseconds. It also comes in the background. */
const logMsMax = 60_000
/** How long to wait for the table of relocations, in milliseconds. */
const tableMsMax = 10_000

export interface LogReaderOptions {
  /** The files that hold blocks in place. */
  readonly files?: BlockFiles
  /** Hashes blocks of peers; Hypercore does when left out. */
  readonly hasher?: LeafHasher
  /** Whether little of the log will be read, and that soon. */
  readonly sparse?: boolean
}

interface ContentOptions {
  readonly impatient?: boolean
  readonly patienceMs?: number | undefined
}

interface ViewOptions {
  readonly alonePatienceMs?: number
  readonly index?: IndexFile
}

/** The log of a folder, for one who follows it. */
export class LogReader {
  readonly #store: LogStore
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  readonly #options: LogReaderOptions
  readonly #failureListeners = new Set<(error: SyncError) => void>()
  readonly #cutListeners = new Set<(block: BlockRef) => void>()
  #content: Promise<LogContent> | undefined
  /** The forks seen, each with the length that it has in common with the one before. */
  #forks: readonly Version[] = []
  readonly #claims = new Claims()
  readonly #stalls = new StallWatch()
  readonly #shares = new RequestScheduler()
  readonly #download: EntriesDownload
  #moved: Download | undefined
  /** The relocations that the download was requested for. */
  #movedFrom: Relocations | undefined

  private constructor(store: LogStore, entries: Hypercore, options: LogReaderOptions) {
    this.#store = store
    this.#entries = entries
    this.#options = options
    this.#bee = beeOf(entries)
    this.#download = new EntriesDownload(entries, this.#bee, async () => (await this.#contentCore()).core)
  }

  /**
   * Opens the log with this key.
   *
   * @throws {SyncError} BAD_KEY
   */
  static async open(store: LogStore, key: string, options: LogReaderOptions = {}): Promise<LogReader> {
    const entries = await store.keyed(parseKey(key))
    if (options.sparse === true) requestEagerly(entries)
    const reader = new LogReader(store, entries, options)
    await reader.#bee.ready()
    entries.on('truncate', (length: number, fork: number) => reader.#fork({ fork, length }))
    setRequestsInFlight(entries, ...entriesInFlight)
    reader.#watchOver(entries)
    reader.#shares.add(entries, { narrow: false })
    // Opens the content core as soon as its key is known, to replicate it to other readers too.
    reader.#contentCore().catch(() => {})
    return reader
  }

  /** The latest version known here, or `undefined` before the first. */
  get version(): Version | undefined {
    return versionOf(this.#entries)
  }

  /**
   * Translates a version of an earlier fork to the present one, if all of it is common to both; else returns it as it
   * is. Works only for forks that began since the log was opened.
   */
  readonly carried = (version: Version): Version => {
    let carried = version
    for (const { fork, length } of this.#forks) {
      if (carried.fork >= fork) continue
      if (carried.length > length) return version
      carried = { fork, length: carried.length }
    }
    return carried
  }

  /** Grows with each block that arrives. */
  async received(): Promise<number> {
    const content = this.#content === undefined ? undefined : await Promise.race([this.#content, undefined])
    return this.#entries.length + (content?.core.length ?? 0)
  }

  /** Calls `listener` whenever the latest version may have changed. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    setMaxListeners(0, this.#entries) // Any number of listeners.
    const events = ['append', 'truncate', 'peer-add', 'peer-remove'] as const
    for (const event of events) this.#entries.on(event, listener)
    return () => {
      for (const event of events) this.#entries.off(event, listener)
    }
  }

  /** Calls `listener` with each error that keeps the log from coming at all. @returns a function that ends it */
  onFailure(listener: (error: SyncError) => void): () => void {
    this.#failureListeners.add(listener)
    return () => void this.#failureListeners.delete(listener)
  }

  /**
   * Calls `listener` when a new fork of the log replaces its contents, with the first block that it replaces.
   *
   * @returns a function that ends it
   */
  onContentCut(listener: (block: BlockRef) => void): () => void {
    this.#cutListeners.add(listener)
    return () => void this.#cutListeners.delete(listener)
  }

  #fork(fork: Version): void {
    this.#forks = [...this.#forks, fork].slice(-forksMax)
  }

  /** Hypercore reports a full disk, and a log with two histories, only by events. */
  #watchOver(core: Hypercore): void {
    this.#stalls.add(core)
    core.on('verification-error', (error: Error) => {
      const failure = databaseFailure('store', this.#store.directory, error)
      if (failure !== undefined) this.#fail(failure)
    })
    core.on('conflict', () => {
      const message =
        'The log has two histories: its writer went back to an older state. Nothing of it is taken any more'
      this.#fail(new SyncError('DAMAGED', message))
    })
  }

  #fail(error: SyncError): void {
    for (const listener of this.#failureListeners) listener(error)
  }

  /** Whether any other reader of the log, or its writer, is connected. */
  get hasPeers(): boolean {
    return this.#entries.peers.length > 0
  }

  /** Whether at least one peer is connected and none of them credibly claims a later version than `version`. */
  isNewest(version: Version | undefined): boolean {
    const peers = syncedClaimsOf(this.#entries)
    const ours = version ?? { fork: 0, length: 0 }
    const nowMs = attendedClock.now()
    // Each peer is asked about, as doubts begin with the first look at a claim.
    const more = peers.filter((peer) => this.#claims.hasMore(peer, ours, nowMs))
    return peers.length > 0 && more.length === 0
  }

  /** Resolves when everything is here that `entriesAt` reads of a version. @throws {SyncError} DAMAGED */
  async fetch(version: Version, signal: AbortSignal): Promise<void> {
    try {
      await this.#download.whole(version, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** Resolves when everything is here that `changes` reads. */
  fetchChanges(from: Version, to: Version, signal: AbortSignal): Promise<void> {
    return this.#download.since(from, to, signal)
  }

  /** Fetches the missing part of the log, bit by bit while `isIdle`, for history and for other readers. */
  fetchRest(version: Version, isIdle: () => boolean): void {
    this.#download.fill(version, isIdle)
    this.#fetchMoved().catch(() => {}) // Requested again with the next version.
  }

  /** Tells which packs the entries name that are held here: what was moved out of them is fetched, for others to have it. */
  packsInUse: () => Promise<ReadonlySet<number>> = async () => new Set()

  /** Requests the packs that hold moved contents. @returns the download, if any are missing */
  async #fetchMoved(): Promise<Download | undefined> {
    const content = await this.#contentCore()
    const { core } = content
    const relocations = await this.#relocations(content)
    if (relocations === this.#movedFrom) return this.#moved
    const wanted = new Set<number>()
    for (const { to } of relocations.all) {
      if (relocations.of(to) === undefined && !(await core.has(to))) wanted.add(to)
    }
    const inUse = wanted.size === 0 ? new Set<number>() : await this.packsInUse()
    const needed = new Set([...inUse].map((block) => relocations.lastOf(block)))
    for (const to of wanted) if (!needed.has(to)) wanted.delete(to)
    this.#moved?.destroy()
    this.#moved = wanted.size === 0 ? undefined : core.download({ blocks: [...wanted] })
    this.#movedFrom = relocations
    return this.#moved
  }

  /**
   * Resolves when the whole log up to a version is here, of contents only those that were moved; or when it takes too
   * long, or no peer is connected.
   */
  async fetchLog(version: Version, signal: AbortSignal): Promise<void> {
    if (!this.hasPeers) return
    try {
      const ending = AbortSignal.any([signal, AbortSignal.timeout(logMsMax)])
      await this.#download.range(0, version.length, ending)
      const moved = await waitFor(this.#fetchMoved(), ending)
      if (moved !== undefined) await waitFor(moved.done(), ending)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof DOMException && error.name === 'TimeoutError')) throw error
    }
  }

  /** Finds the blocks here that no version needs. @throws {SyncError} DAMAGED */
  async garbage(): Promise<Garbage> {
    return new Garbage(this.#bee, await this.#contentCore())
  }

  /** The latest finished version of a log that has come up to `version`; `undefined` before the first. */
  async finished(version: Version, signal?: AbortSignal): Promise<Version | undefined> {
    const { unfinished, before } = await this.head(version, signal)
    if (!unfinished) return version
    return before > headerLength && before < version.length ? { fork: version.fork, length: before } : undefined
  }

  /** The head of a version. @throws {SyncError} DAMAGED */
  async head(version: Version, signal?: AbortSignal): Promise<Head> {
    try {
      return await this.#download.head(version, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** The head of the version that ends at this length; `undefined` if none does. @throws {SyncError} DAMAGED */
  async headEndingAt(version: Version, signal: AbortSignal): Promise<Head | undefined> {
    try {
      return await headEndingAt(this.#bee, version, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /**
   * The version that a name stands for.
   *
   * @param latest the newest version, which is whole
   * @throws {SyncError} NO_SUCH_VERSION, DAMAGED
   */
  find(name: VersionName, latest: Version, signal: AbortSignal): Promise<Version> {
    let steps = 0
    const head = (version: Version) => {
      // Far away, each of them would be a round trip.
      if (++steps === stepsMax) this.#download.range(0, latest.length, signal).catch(() => {})
      return this.head(version, signal)
    }
    return findVersion({ head, endAt: (version) => this.headEndingAt(version, signal) }, latest, name)
  }

  /** The valid entry of a version at a path, if there is one. @throws {SyncError} DAMAGED */
  async entryAt(version: Version, path: TreePath, signal: AbortSignal): Promise<Entry | undefined> {
    try {
      return await entryOf(this.#bee, version, path, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** All entries of a version. @throws {SyncError} DAMAGED; {UnfitSnapshot} once, if they were read from one */
  async *entriesAt(
    version: Version,
    onProblem: (problem: Problem) => void
  ): AsyncGenerator<readonly [TreePath, Entry]> {
    try {
      yield* this.#download.entries(version, onProblem) ?? entriesOf(this.#bee, version, onProblem)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /**
   * What changed between two versions of one fork. @throws {SyncError} DAMAGED; {UnfitSnapshot} once, if it was read
   * from a delta
   */
  async *changes(from: Version, to: Version, onProblem: (problem: Problem) => void): AsyncGenerator<LogEntry> {
    try {
      yield* this.#download.changes(from, to, onProblem)
    } catch (error) {
      throw damaged(to, error)
    }
  }

  /**
   * Each change from a length up to a version, in order.
   *
   * @throws {SyncError} DAMAGED; {UnfitSnapshot} once, if it was read from a delta
   */
  async *history(fromLength: number, to: Version, signal: AbortSignal): AsyncGenerator<LogEntry> {
    const from = { fork: to.fork, length: Math.max(fromLength, headerLength) }
    try {
      yield* this.#download.history(from, to, signal)
    } catch (error) {
      throw damaged(to, error)
    }
  }

  /**
   * Reads the contents that the entries name, for one pass; to be closed after it.
   *
   * @param received the bytes received from all peers so far
   * @param options.impatient whether to wait only for blocks that some peer offers
   * @param options.patienceMs how long to wait for silent peers, or for a first one; without it, as long as it takes
   *   for a first one
   * @throws {SyncError} DAMAGED when the log doesn't name its content core
   */
  async content(
    received: () => number,
    { impatient = false, patienceMs }: ContentOptions = {}
  ): Promise<ContentReader> {
    const content = await this.#contentCore()
    const hasPeers = () => patienceMs !== undefined || this.hasPeers
    const arrivals = { received, hasPeers, impatient, patienceMs }
    const { directory } = this.#store
    const relocations = await this.#relocations(content)
    return new ContentReader(content.core, content.places, arrivals, { relocations, directory })
  }

  async #relocations({ relocations }: LogContent): Promise<Relocations> {
    const { version } = this
    const signal = AbortSignal.timeout(tableMsMax)
    // Without the table only contents that were never moved can be read.
    const head = version && (await waitFor(this.head(version, signal), signal).catch(() => undefined))
    return relocations.fetched(head, signal).catch(() => noRelocations)
  }

  /**
   * The log, readable at any version.
   *
   * @param arrivals the state of the network, except peers
   * @param options.alonePatienceMs how long to wait without peers for blocks of the entries core; for good when left
   *   out
   * @param options.index the file of the index of paths; there is none when left out
   */
  view(arrivals: Omit<Arrivals, 'hasPeers'>, { alonePatienceMs, index }: ViewOptions = {}): LogView {
    return new LogView({
      alonePatienceMs,
      index: index && new PathIndex(this.#entries, index),
      entries: this.#entries,
      bee: this.#bee,
      content: () => this.#contentCore(),
      fetch: (start, end, signal) => this.#download.range(start, end, signal),
      arrivals: { ...arrivals, hasPeers: () => this.hasPeers },
      isSparse: this.#options.sparse === true,
      directory: this.#store.directory
    })
  }

  /** The latest version that a connected peer claims, or that is here. */
  get claimed(): Version | undefined {
    let latest = this.version
    for (const { remoteFork, remoteLength } of claimsOf(this.#entries)) {
      const theirs = { fork: remoteFork, length: remoteLength }
      if (latest === undefined || isEarlier(latest, theirs)) latest = theirs
    }
    return latest
  }

  /** Gives up blocks in place, of the log's own core, that no file holds any more; does nothing before the content core was opened. */
  async release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void> {
    // Without its first block the log hasn't named the content core, and no content was ever here.
    if (extents.length === 0 || !(await this.#entries.has(0))) return
    const { places } = await this.#contentCore()
    for (const { core, block, blocks } of extents) {
      if (core === firstCore) await places.release(block, block + blocks, isHeld)
    }
  }

  /** The cores, to be checked; the entries core alone until the content core is known. */
  async cores(): Promise<LogCores> {
    const isKnown = this.#content !== undefined || (await this.#entries.has(0))
    const content = isKnown ? await this.#contentCore() : undefined
    return {
      entries: this.#entries,
      content: content?.core,
      hasPeers: () => this.hasPeers,
      isPlaced: async (block) => (await content?.places.lengthOf(block)) !== undefined,
      holds: async (extent) => content !== undefined && isHere(content.core, await this.#relocations(content), extent),
      // A reader fetches missing blocks when it needs them.
      missing: async () => []
    }
  }

  /** All entries of a version if its whole tree is here; `undefined` if not. Throws as `entriesAt` does. */
  async entriesHere(version: Version): Promise<AsyncGenerator<readonly [TreePath, Entry]> | undefined> {
    if (!(await this.#entries.has(0, version.length))) return undefined
    return entriesOf(this.#bee, version, () => {})
  }

  async close(): Promise<void> {
    this.#stalls.close()
    this.#shares.close()
    this.#moved?.destroy()
    this.#download.close()
    await this.#bee.close()
    // Not awaited: before the first block comes, nobody knows the content core.
    this.#content?.then(({ core }) => core.close()).catch(() => {})
  }

  #contentCore(): Promise<LogContent> {
    if (this.#content === undefined) {
      this.#content = this.#openContent()
      // A later call may succeed.
      this.#content.catch(() => {
        this.#content = undefined
      })
    }
    return this.#content
  }

  async #openContent(): Promise<LogContent> {
    const reading = contentKeyOf(this.#bee)
    await Promise.allSettled([reading])
    if (isClosing(this.#entries)) throw new SyncError('CLOSED', 'The log was closed')
    const core = await this.#store.keyed(await reading)
    if (this.#options.sparse === true) requestEagerly(core)
    this.#watchOver(core)
    this.#shares.add(core, { narrow: true })
    core.on('truncate', (length: number) => {
      for (const listener of this.#cutListeners) listener({ core: firstCore, index: length })
    })
    const { files = noFiles, hasher } = this.#options
    const places = new BlockPlaces(core, files)
    if (hasher !== undefined) hashAhead(core, places, hasher)
    return { core, places, relocations: new RelocationTable(core, () => this.hasPeers) }
  }
}
