import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { databaseFailure, SyncError } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import type { SnapshotRow } from '../format/snapshot-codec.ts'
import type { Entry, FileEntry } from '../tree/entry.ts'
import { parentPath, type TreePath } from '../tree/path.ts'
import { type Change, sameVersion, type Version } from '../tree/tree.ts'
import { RefCounted } from './async/ref-counted.ts'
import { endingWith, waitFor } from './async/wait-for.ts'
import { BeeView } from './bee/bee-view.ts'
import type { Run } from './bee/blocks.ts'
import { damaged } from './bee/damaged.ts'
import { headerLength, headOf, type LogEntry, readPair, versionOf } from './bee/entries.ts'
import {
  endAtOrAfter,
  type HistoryOptions,
  previousEnd,
  type VersionReport,
  versionsBack,
  versionsSince
} from './bee/history.ts'
import { keysIn, type ListOptions, listedEntry, listIn, listOf } from './bee/list.ts'
import type { PathIndex, VersionsRun } from './bee/path-index.ts'
import { type LogRecord, recordsOf } from './bee/records.ts'
import { type ByteRange, extentsOf } from './content/byte-range.ts'
import { type Arrivals, ContentReader } from './content/content.ts'
import type { LogContent } from './content/log-content.ts'
import { isHere, type Relocations } from './content/relocations.ts'
import { packedEntries } from './packed/packed-entries.ts'
import { type Keys, rowsInSnapshot } from './packed/packed-list.ts'

const lonelyTickMs = 500
/** A directory whose own entries lie in more blocks of a snapshot than this is read from the tree. */
const nearBlocksMax = 4

/** The sources of a view. */
export interface LogParts {
  readonly entries: Hypercore
  readonly bee: Hyperbee
  readonly content: () => Promise<LogContent>
  /** Fetches missing blocks of the entries core. */
  readonly fetch: (start: number, end: number, signal: AbortSignal) => Promise<void>
  readonly arrivals: Arrivals
  /** Maps paths to blocks of the entries core; all blocks are read when left out. */
  readonly index?: PathIndex | undefined
  /** Whether to read from a snapshot while the tree isn't here. */
  readonly isSparse?: boolean
  /** Of the store, for messages. */
  readonly directory: string
  /** How long to wait without peers for blocks of the entries core, in milliseconds; for good when left out. */
  readonly alonePatienceMs?: number | undefined
}

/** Which versions to report. */
export interface VersionsOptions {
  /** Only those after this length of the entries core. */
  readonly after: number
  /** Only those that change this path, or one beneath it. */
  readonly path: TreePath | ''
  readonly newestFirst: boolean
  readonly signal: AbortSignal
}

/** A log, readable at any of its versions. Waits for missing blocks if a peer can send them. */
export class LogView {
  readonly #parts: LogParts
  readonly #view = new RefCounted<BeeView>()
  readonly #reader = new RefCounted<ContentReader>()
  /** The head of the latest version, which is read again and again. */
  #head: { readonly version: Version; readonly head: Head } | undefined

  constructor(parts: LogParts) {
    this.#parts = parts
  }

  /** The same view without a bound on waiting. */
  patient(): LogView {
    const { alonePatienceMs: _, ...parts } = this.#parts
    return new LogView(parts)
  }

  /** The latest version known here, finished or not; `undefined` before the first. */
  get latest(): Version | undefined {
    return versionOf(this.#parts.entries)
  }

  /** The head of a version. @throws {SyncError} DAMAGED */
  async head(version: Version, signal?: AbortSignal): Promise<Head> {
    if (this.#head !== undefined && sameVersion(this.#head.version, version)) return this.#head.head
    const head = await this.#guarded(version, headOf(this.#parts.bee, version, { signal }), signal)
    const { latest } = this
    if (latest !== undefined && sameVersion(version, latest)) this.#head = { version, head }
    return head
  }

  /** The latest finished version; `undefined` before the first. @throws {SyncError} DAMAGED */
  async finished(signal?: AbortSignal): Promise<Version | undefined> {
    const { latest } = this
    if (latest === undefined) return undefined
    const { unfinished, before } = await this.head(latest, signal)
    if (!unfinished) return latest
    return before > headerLength && before < latest.length ? { fork: latest.fork, length: before } : undefined
  }

  /** The version before one; `undefined` before the first. @throws {SyncError} DAMAGED */
  async previous(version: Version, signal?: AbortSignal): Promise<Version | undefined> {
    const { entries } = this.#parts
    const length = await this.#guarded(version, previousEnd(entries, version.length, this.#fetch(signal)), signal)
    return length > headerLength ? { fork: version.fork, length } : undefined
  }

  /** The first version that ends at or after a length, and no later than another. @throws {SyncError} DAMAGED */
  async versionAtOrAfter(length: number, latest: Version, signal?: AbortSignal): Promise<Version | undefined> {
    const { entries } = this.#parts
    const end = await this.#guarded(latest, endAtOrAfter(entries, length, latest.length, this.#fetch(signal)), signal)
    return end === undefined ? undefined : { fork: latest.fork, length: end }
  }

  /** The entries of a version in a directory, in the log's order. @throws {SyncError} DAMAGED */
  async *list(
    version: Version,
    directory: TreePath | '',
    options: ListOptions
  ): AsyncGenerator<readonly [TreePath, Entry]> {
    const { recursive, signal } = options
    const near = await this.#guarded(version, this.#near(version, keysIn(directory), !recursive), signal)
    if (near !== undefined) {
      yield* near.filter(([path]) => recursive || parentPath(path) === directory)
      return
    }
    const packed = await this.#guarded(version, packedEntries(this.#parts, version), signal)
    const rows = packed ? listIn(packed, directory, options) : listOf(this.#parts.entries, version, directory, options)
    for await (const some of this.#rows(version, rows, signal)) yield* some
  }

  /** The entry of a version at a path. @throws {SyncError} DAMAGED */
  async entry(version: Version, path: TreePath, signal?: AbortSignal): Promise<Entry | undefined> {
    const from = Buffer.from(path)
    const keys = { from, to: Buffer.concat([from, Buffer.of(0)]) }
    const near = await this.#guarded(version, this.#near(version, keys, false), signal)
    if (near !== undefined) return near[0]?.[1]
    const packed = await this.#guarded(version, packedEntries(this.#parts, version), signal)
    if (packed === undefined) return this.#guarded(version, this.#lookUp(version, path), signal)
    for await (const [at, entry] of this.#rows(version, packed, signal)) if (at === path) return entry
    return undefined
  }

  /** Lookups share a view: most of the path to an entry leads through the same blocks as to the one before. */
  async #lookUp({ fork, length }: Version, path: TreePath): Promise<Entry | undefined> {
    const { item, end } = this.#view.use(`${fork} ${length}`, () => new BeeView(this.#parts.entries, length))
    try {
      return await listedEntry(item, path)
    } finally {
      end()
    }
  }

  /**
   * @param isFew whether the range is worth a few blocks of the snapshot at most: entries further apart are read from
   *   the tree
   */
  async #near(version: Version, keys: Keys, isFew: boolean): Promise<readonly SnapshotRow[] | undefined> {
    const { entries, bee, content, fetch, isSparse = false } = this.#parts
    if (!isSparse) return undefined
    const parts = { entries, bee, fetch, content: async () => (await content()).core }
    return rowsInSnapshot(parts, version, keys, isFew ? nearBlocksMax : undefined)
  }

  /** Reports the changes of versions, up to one. @throws {SyncError} DAMAGED */
  async *versions(to: Version, { after, path, newestFirst, signal }: VersionsOptions): AsyncGenerator<VersionReport> {
    const ending = endingWith(signal)
    try {
      const runs = await this.#guarded(to, this.#runs(to, path, Math.max(after, headerLength), ending.signal), signal)
      for (const run of newestFirst ? runs.toReversed() : runs) {
        yield* this.#rows(to, this.#versionsIn(run, to, { path, newestFirst, signal: ending.signal }), signal)
      }
    } finally {
      ending.end()
    }
  }

  #versionsIn(run: Partial<VersionsRun> & Run, { fork }: Version, options: Omit<VersionsOptions, 'after'>) {
    const { entries } = this.#parts
    const { path, newestFirst, signal } = options
    const history: HistoryOptions = { path, fetch: this.#fetch(signal), parts: run.parts }
    const read = newestFirst ? versionsBack : versionsSince
    return read(entries, run.start, { fork, length: run.end }, history)
  }

  /** The runs of versions that may change a path: all of them without an index. */
  async #runs({ length }: Version, path: TreePath | '', from: number, signal: AbortSignal) {
    const { index, fetch } = this.#parts
    if (path === '' || index === undefined) return [{ start: from, end: length }] satisfies Run[]
    await fetch(from, length, signal)
    if (await this.#parts.entries.has(0, length)) await index.extend(length, { signal })
    return index.runs(path, from, length)
  }

  /**
   * Extends the index by the blocks that are here, bit by bit.
   *
   * @param rest awaited between two parts
   * @throws {SyncError} DAMAGED; the signal's reason
   */
  async keepIndex(rest: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { entries, index } = this.#parts
    const latest = await this.finished(signal)
    if (index === undefined || latest === undefined || !(await entries.has(0, latest.length))) return
    await this.#guarded(latest, index.extend(latest.length, { signal, rest }), signal)
  }

  /** The changes of a version with the entries before it. @throws {SyncError} DAMAGED */
  async before(changes: readonly LogEntry[], length: number, signal?: AbortSignal): Promise<readonly Change[]> {
    if (length <= headerLength) return changes.map(([path, after]) => ({ path, before: undefined, after }))
    const view = new BeeView(this.#parts.entries, length)
    const looking = Promise.all(
      changes.map(async ([path, after]) => {
        const pair = await view.get(Buffer.from(path))
        return { path, before: pair && readPair(pair, () => {})?.[1], after }
      })
    )
    try {
      return await this.#guarded({ fork: this.#parts.entries.fork, length }, looking, signal)
    } finally {
      await view.close()
    }
  }

  async #relocations({ relocations }: LogContent, signal = new AbortController().signal): Promise<Relocations> {
    const { latest } = this
    const head = latest && (await this.head(latest, signal))
    return relocations.fetched(head, signal)
  }

  /** Whether a content is here as a whole, in the store or in files. */
  async holds({ extents }: FileEntry): Promise<boolean> {
    const content = await this.#parts.content()
    const relocations = await this.#relocations(content)
    for (const extent of extents) if (!(await isHere(content.core, relocations, extent))) return false
    return true
  }

  /** A content, or a part of one. @throws {NotToBeHad} when nobody sends it */
  async *read(entry: FileEntry, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { arrivals, directory } = this.#parts
    const content = await this.#parts.content()
    const { core, places } = content
    // Without peers too, the reader gives up after a while.
    const patient = { ...arrivals, hasPeers: () => true }
    // The next content, or one read meanwhile, is likely to lie in the same packs.
    const relocations = await this.#relocations(content, signal)
    const { item, end } = this.#reader.use(
      relocations,
      () => new ContentReader(core, places, patient, { relocations, directory })
    )
    let isWhole = false
    try {
      const extents = await extentsOf(entry, range, core, places)
      const pieces = item.read({ ...entry, extents, size: range.end - range.start }, signal)
      for (;;) {
        // One user that gives up doesn't end the reads of others.
        const next = await waitFor(pieces.next(), signal)
        if (next.done) break
        yield next.value
      }
      isWhole = true
    } finally {
      end(isWhole)
    }
  }

  /** Blocks of the entries core, not interpreted. @throws {SyncError} DAMAGED */
  async *records(start: number, end: number, signal: AbortSignal): AsyncGenerator<LogRecord> {
    const { entries, fetch } = this.#parts
    const first = Math.max(start, headerLength)
    const version = { fork: entries.fork, length: end }
    const ending = endingWith(signal)
    try {
      if (first < end) await this.#guarded(version, fetch(first, end, ending.signal), signal)
      yield* this.#rows(version, recordsOf(entries, first, end), signal)
    } finally {
      ending.end()
    }
  }

  #fetch(signal = new AbortController().signal): (start: number, end: number) => Promise<void> {
    return (start, end) => this.#parts.fetch(start, end, signal)
  }

  /** Yields rows of a version one by one, until a signal aborts. */
  async *#rows<T>(version: Version, rows: AsyncGenerator<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
    try {
      for (;;) {
        const { done, value } = await this.#guarded(version, rows.next(), signal)
        if (done) return
        yield value
      }
    } finally {
      // Not awaited: it may wait for blocks that never come.
      rows.return(undefined).catch(() => {})
    }
  }

  async #guarded<T>(version: Version, act: Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await this.#waited(act, signal ?? new AbortController().signal)
    } catch (error) {
      throw databaseFailure('store', this.#parts.directory, error) ?? damaged(version, error)
    }
  }

  /** Waits for blocks of peers; gives up after long enough without any peer. */
  async #waited<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    const { arrivals, alonePatienceMs } = this.#parts
    if (alonePatienceMs === undefined) return waitFor(promise, signal)
    const settled = promise.then((value) => ({ value }))
    for (let lonelyMs = 0; ; ) {
      const done = await waitFor(settled, signal, { ms: lonelyTickMs })
      if (done !== undefined) return done.value
      lonelyMs = arrivals.hasPeers() ? 0 : lonelyMs + lonelyTickMs
      if (lonelyMs < alonePatienceMs) continue
      throw new SyncError('NOT_HELD', 'Not all of the log is here yet, and there is no peer to fetch the rest from')
    }
  }
}
