import { setMaxListeners } from 'node:events'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Download } from 'hypercore'
import { databaseFailure, SyncError } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import type { BlockRef } from '../tree/block-ref.ts'
import type { Entry, Extent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import { isEarlier, type Problem, type Version } from '../tree/tree.ts'
import type { VersionName } from '../tree/version-name.ts'
import { waitFor } from './async/wait-for.ts'
import { damaged } from './bee/damaged.ts'
import { beeOf, entriesOf, entryOf, headEndingAt, headerLength, type LogEntry, versionOf } from './bee/entries.ts'
import { findVersion } from './bee/find-version.ts'
import { type IndexFile, PathIndex } from './bee/path-index.ts'
import type { LogCores } from './check/damaged-blocks.ts'
import { type Arrivals, ContentReader } from './content/content.ts'
import { isHere, noRelocations, type Relocations, RelocationTable } from './content/relocations.ts'
import { Garbage } from './gc/garbage.ts'
import { type BlockFiles, BlockPlaces, noFiles } from './hypercore/block-places.ts'
import { Claims } from './hypercore/claims.ts'
import { requestEagerly } from './hypercore/eager-request.ts'
import { hashAhead, type LeafHasher } from './hypercore/hash-ahead.ts'
import { RequestScheduler } from './hypercore/request-scheduler.ts'
import { StallWatch } from './hypercore/stall-watch.ts'
import { type LogStore, parseKey } from './hypercore/store.ts'
import { LogView } from './log-view.ts'
import { EntriesDownload } from './packed/entries-download.ts'

// A Hyperbee's blocks are one entry each, so a cold reader needs a wide window.
const entriesInFlight = [512, 2048] as const

/** Forks remembered. A version from before them counts as of another history. */
const forksMax = 100

/** Of so many versions that are asked for one after the other the whole log is fetched. */
const stepsMax = 8
/** The rest of a log is waited for no longer, in milliseconds. It comes at leisure too. */
const logMsMax = 60_000
/** How long a table of what was moved is waited for, in milliseconds. */
const tableMsMax = 10_000

export interface LogReaderOptions {
  /** Where blocks lie that aren't in the store. */
  readonly files?: BlockFiles
  /** Hashes blocks that come from peers; Hypercore does, when left out. */
  readonly hasher?: LeafHasher
  /** Whether little of the log will be asked for, and that soon. */
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

/** The content core, and which of its blocks lie in files. */
interface Content {
  readonly core: Hypercore
  readonly places: BlockPlaces
}

/** The log of a folder, seen from one who follows it. */
export class LogReader {
  readonly #store: LogStore
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  readonly #options: LogReaderOptions
  #content: Promise<Content> | undefined
  /** The forks that have come, each with the length of what it has in common with the one before. */
  #forks: readonly Version[] = []
  readonly #claims = new Claims()
  readonly #stalls = new StallWatch()
  readonly #shares = new RequestScheduler()
  readonly #download: EntriesDownload
  readonly #table = new RelocationTable()
  #moved: Download | undefined
  /** What that was asked for by. */
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
    entries.replicator.setInflightRange(...entriesInFlight)
    reader.#watchOver(entries)
    reader.#shares.add(entries, { narrow: false })
    // Replication of the content begins as soon as its key is known, for those who read from us too.
    reader.#contentCore().catch(() => {})
    return reader
  }

  /** The latest version known here, or `undefined` before the first. */
  get version(): Version | undefined {
    return versionOf(this.#entries)
  }

  /**
   * A version of an earlier fork as one of the present fork, where all of it is common to both; else as it is.
   * Only for forks that have come since the log was opened.
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

  /** How far the log has come; grows with everything that arrives of it. */
  async received(): Promise<number> {
    const content = this.#content === undefined ? undefined : await Promise.race([this.#content, undefined])
    return this.#entries.length + (content?.core.length ?? 0)
  }

  /** Calls `listener` whenever the latest version may have changed. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    setMaxListeners(0, this.#entries) // As many as watch.
    const events = ['append', 'truncate', 'peer-add', 'peer-remove'] as const
    for (const event of events) this.#entries.on(event, listener)
    return () => {
      for (const event of events) this.#entries.off(event, listener)
    }
  }

  /** Called with what keeps the log from coming at all. */
  onFailure: (error: SyncError) => void = () => {}

  /** Called when contents end at a block from which on they will be others: the log has a new fork. */
  onContentCut: (block: number) => void = () => {}

  #fork(fork: Version): void {
    this.#forks = [...this.#forks, fork].slice(-forksMax)
  }

  /** Hypercore tells of a full disk, and of a log with two histories, by events alone. */
  #watchOver(core: Hypercore): void {
    this.#stalls.add(core)
    core.on('verification-error', (error: Error) => {
      const failure = databaseFailure('store', this.#store.directory, error)
      if (failure !== undefined) this.onFailure(failure)
    })
    core.on('conflict', () => {
      const message =
        'The log has two histories: its writer went back to an older state. Nothing of it is taken any more'
      this.onFailure(new SyncError('DAMAGED', message))
    })
  }

  /** Whether anybody is connected who follows the log too, or writes it. */
  get hasPeers(): boolean {
    return this.#entries.peers.length > 0
  }

  /**
   * Whether at least one peer is connected and none of them knows of a later version than `version`, as
   * far as it is to be believed.
   */
  isNewest(version: Version | undefined): boolean {
    const peers = this.#entries.peers.filter((peer) => peer.remoteOpened && peer.remoteSynced)
    const ours = version ?? { fork: 0, length: 0 }
    const nowMs = performance.now()
    // Each is weighed, whatever comes of the others: doubts begin with the claim.
    const more = peers.filter((peer) => this.#claims.hasMore(peer, ours, nowMs))
    return peers.length > 0 && more.length === 0
  }

  /** Resolves when all is here that `entriesAt` reads of a version. @throws {SyncError} DAMAGED */
  async fetch(version: Version, signal: AbortSignal): Promise<void> {
    try {
      await this.#download.whole(version, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** Resolves when all is here that `changes` reads. */
  fetchChanges(from: Version, to: Version, signal: AbortSignal): Promise<void> {
    return this.#download.since(from, to, signal)
  }

  /** Fetches what is missing of the log, a little at a time while `isIdle`, for history and for other readers. */
  fetchRest(version: Version, isIdle: () => boolean): void {
    this.#download.fill(version, isIdle)
    this.#fetchMoved().catch(() => {}) // Asked for again with the next version.
  }

  /** Tells which packs the entries name that are held here: what was moved out of them is fetched, for others to have it. */
  packsInUse: () => Promise<ReadonlySet<number>> = async () => new Set()

  /** Has those packs come that hold what was moved. @returns what brings them, if any are to come */
  async #fetchMoved(): Promise<Download | undefined> {
    const { core } = await this.#contentCore()
    const relocations = await this.#relocations(core)
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
   * Resolves when all of the log up to a version is here, but for contents, of which only that comes which was moved; or
   * when it has not come in some time, or there is nobody to have it from.
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

  /** Finds what no version needs any more of what is here. @throws {SyncError} DAMAGED */
  async garbage(): Promise<Garbage> {
    const { core, places } = await this.#contentCore()
    return new Garbage(this.#bee, core, places)
  }

  /** The latest version that is whole, where the log has come up to `version`; `undefined` before the first. */
  async finished(version: Version, signal?: AbortSignal): Promise<Version | undefined> {
    const { unfinished, before } = await this.head(version, signal)
    if (!unfinished) return version
    return before > headerLength && before < version.length ? { fork: version.fork, length: before } : undefined
  }

  /** What a version says of itself. @throws {SyncError} DAMAGED */
  async head(version: Version, signal?: AbortSignal): Promise<Head> {
    try {
      return await this.#download.head(version, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** The same where perhaps no version ends at that length: `undefined` where none does. @throws {SyncError} DAMAGED */
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
      // One by one, over a distance, they would be a round trip each.
      if (++steps === stepsMax) this.#download.range(0, latest.length, signal).catch(() => {})
      return this.head(version, signal)
    }
    return findVersion({ head, endAt: (version) => this.headEndingAt(version, signal) }, latest, name)
  }

  /** The entry of one path of a version, where it has a valid one. @throws {SyncError} DAMAGED */
  async entryAt(version: Version, path: TreePath, signal: AbortSignal): Promise<Entry | undefined> {
    try {
      return await entryOf(this.#bee, version, path, signal)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** All entries of a version. @throws {SyncError} DAMAGED; {UnfitSnapshot} once, when they were read from one */
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

  /** What changed between two versions of one fork. @throws {SyncError} DAMAGED; {UnfitSnapshot} once, when it was read from a delta */
  async *changes(from: Version, to: Version, onProblem: (problem: Problem) => void): AsyncGenerator<LogEntry> {
    try {
      yield* this.#download.changes(from, to, onProblem)
    } catch (error) {
      throw damaged(to, error)
    }
  }

  /**
   * Everything that was said from a length on up to a version, one thing after the other.
   *
   * @throws {SyncError} DAMAGED; {UnfitSnapshot} once, when it was read from a delta
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
   * The contents that the entries name, for one pass; to be closed after it.
   *
   * @param received tells the bytes received from all peers so far
   * @param options.impatient whether to wait only for what some peer says to have
   * @param options.patienceMs how long to wait while nothing comes, also for a first peer; for that as long as it takes,
   *   when left out
   * @throws {SyncError} DAMAGED when the log doesn't tell where they are
   */
  async content(
    received: () => number,
    { impatient = false, patienceMs }: ContentOptions = {}
  ): Promise<ContentReader> {
    const { core, places } = await this.#contentCore()
    const hasPeers = () => patienceMs !== undefined || this.hasPeers
    const arrivals = { received, hasPeers, impatient, ...(patienceMs === undefined ? {} : { patienceMs }) }
    const { directory } = this.#store
    return new ContentReader(core, places, arrivals, { relocations: await this.#relocations(core), directory })
  }

  async #relocations(core: Hypercore): Promise<Relocations> {
    const { version } = this
    const signal = AbortSignal.timeout(tableMsMax)
    // Without it only what was never moved can be read.
    const head = version && (await waitFor(this.head(version, signal), signal).catch(() => undefined))
    return this.#table.of(head, core, () => this.hasPeers, signal).catch(() => noRelocations)
  }

  /**
   * The log as it can be read at any version.
   *
   * @param arrivals what is known of the network, but for who follows the log
   * @param options.alonePatienceMs without peers, how long blocks of the entries core are waited for; for good when left out
   * @param options.index where the index of paths lies; there is none when left out
   */
  view(arrivals: Omit<Arrivals, 'hasPeers'>, { alonePatienceMs, index }: ViewOptions = {}): LogView {
    return new LogView({
      ...(alonePatienceMs === undefined ? {} : { alonePatienceMs }),
      ...(index === undefined ? {} : { index: new PathIndex(this.#entries, index) }),
      entries: this.#entries,
      bee: this.#bee,
      content: () => this.#contentCore(),
      fetch: (start, end, signal) => this.#download.range(start, end, signal),
      arrivals: { ...arrivals, hasPeers: () => this.hasPeers },
      isSparse: this.#options.sparse === true,
      directory: this.#store.directory
    })
  }

  /** The latest version that a connected peer says to have, where it is later than what is here. */
  get claimed(): Version | undefined {
    let latest = this.version
    for (const { remoteOpened, remoteFork, remoteLength } of this.#entries.peers) {
      const theirs = { fork: remoteFork, length: remoteLength }
      if (remoteOpened && (latest === undefined || isEarlier(latest, theirs))) latest = theirs
    }
    return latest
  }

  /** Gives up blocks that lay in files, as far as no other file holds them; nothing before the contents were asked for. */
  async release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void> {
    // Without its first block the log hasn't told where contents are, and none was ever here.
    if (extents.length === 0 || !(await this.#entries.has(0))) return
    const { places } = await this.#contentCore()
    for (const { block, blocks } of extents) await places.release(block, block + blocks, isHeld)
  }

  /** What there is to be checked; only the entries before it is known where the contents are. */
  async cores(): Promise<LogCores> {
    const isKnown = this.#content !== undefined || (await this.#entries.has(0))
    const content = isKnown ? await this.#contentCore() : undefined
    return {
      entries: this.#entries,
      content: content?.core,
      hasPeers: () => this.hasPeers,
      isPlaced: async (block) => (await content?.places.lengthOf(block)) !== undefined,
      holds: async (extent) =>
        content !== undefined && isHere(content.core, await this.#relocations(content.core), extent),
      // Whatever isn't here is fetched when it is needed.
      missing: async () => []
    }
  }

  /** All entries of a version, where all that tells of them is here; `undefined` elsewhere. Throws as `entriesAt` does. */
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
    // Not awaited: before the first block has come, nobody knows which core it is.
    this.#content?.then(({ core }) => core.close()).catch(() => {})
  }

  #contentCore(): Promise<Content> {
    if (this.#content === undefined) {
      this.#content = this.#openContent()
      // Asked for again, it may come.
      this.#content.catch(() => {
        this.#content = undefined
      })
    }
    return this.#content
  }

  async #openContent(): Promise<Content> {
    const header = await this.#bee.getHeader().catch(() => undefined)
    const key = header?.metadata?.contentFeed
    if (this.#entries.closing) throw new SyncError('CLOSED', 'The log was closed')
    if (key?.length !== 32 || this.#entries.key.equals(key)) {
      throw new SyncError('DAMAGED', 'The log does not tell where its contents are. Nothing of it is applied')
    }
    const core = await this.#store.keyed(key)
    if (this.#options.sparse === true) requestEagerly(core)
    this.#watchOver(core)
    this.#shares.add(core, { narrow: true })
    core.on('truncate', (length: number) => this.onContentCut(length))
    const { files = noFiles, hasher } = this.#options
    const places = new BlockPlaces(core, files)
    if (hasher !== undefined) hashAhead(core, places, hasher)
    return { core, places }
  }
}
