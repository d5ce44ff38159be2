import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Head } from '../format/head-codec.ts'
import type { SnapshotRow } from '../format/snapshot-codec.ts'
import type { Entry, FileEntry } from '../tree/entry.ts'
import { parentPath, type TreePath } from '../tree/path.ts'
import { type Change, sameVersion, type Version } from '../tree/tree.ts'
import { BeeView } from './bee-view.ts'
import type { BlockPlaces } from './block-places.ts'
import { type ByteRange, extentsOf } from './byte-range.ts'
import { type Arrivals, ContentReader } from './content.ts'
import { damaged } from './damaged.ts'
import { headerLength, headOf, type LogEntry, readPair, versionOf } from './entries.ts'
import { endAtOrAfter, type HistoryOptions, previousEnd, type Told, versionsBack, versionsSince } from './history.ts'
import { entryOf, keysIn, type ListOptions, listOf } from './list.ts'
import { type Keys, rowsInSnapshot } from './packed-list.ts'
import { type LogRecord, recordsOf } from './records.ts'

/** What a log is read from. */
export interface LogParts {
  readonly entries: Hypercore
  readonly bee: Hyperbee
  readonly content: () => Promise<{ readonly core: Hypercore; readonly places: BlockPlaces }>
  /** Sees to it that blocks of the entries core are here. */
  readonly fetch: (start: number, end: number, signal: AbortSignal) => Promise<void>
  readonly arrivals: Arrivals
  /** Whether a snapshot may tell what isn't here. */
  readonly isSparse?: boolean
  /** The store's, for messages. */
  readonly directory: string
}

interface Used {
  readonly version: Version
  readonly view: BeeView
  uses: number
  timer: NodeJS.Timeout | undefined
}

/** Which versions are to be told. */
export interface VersionsOptions {
  /** Only those after this length of the entries core. */
  readonly after: number
  /** Only those that change this path, or one beneath it. */
  readonly path: TreePath | ''
  readonly newestFirst: boolean
  readonly signal: AbortSignal
}

/** What nobody needs is kept for so long, in milliseconds, with what it has read. */
const idleMs = 2000

/** A directory whose own entries lie further apart in a snapshot is looked up in the tree. */
const nearBlocksMax = 4

/** A log as it can be read at any of its versions. Whatever isn't here is waited for, where anybody can send it. */
export class LogView {
  readonly #parts: LogParts
  #idle: ContentReader | undefined
  #idleTimer: NodeJS.Timeout | undefined
  /** Of the version of which an entry was looked up last. */
  #last: Used | undefined

  constructor(parts: LogParts) {
    this.#parts = parts
  }

  /** The latest version known here, whole or not; `undefined` before the first. */
  get latest(): Version | undefined {
    return versionOf(this.#parts.entries)
  }

  /** What a version says of itself. @throws {SyncError} DAMAGED */
  async head(version: Version, signal?: AbortSignal): Promise<Head> {
    return this.#guarded(version, () => headOf(this.#parts.bee, version, { signal }))
  }

  /** The latest version that is whole; `undefined` before the first. @throws {SyncError} DAMAGED */
  async finished(signal?: AbortSignal): Promise<Version | undefined> {
    const { latest } = this
    if (latest === undefined) return undefined
    const { unfinished, before } = await this.head(latest, signal)
    if (!unfinished) return latest
    return before > headerLength && before < latest.length ? { fork: latest.fork, length: before } : undefined
  }

  /** The version before one; `undefined` before the first. @throws {SyncError} DAMAGED */
  async previous(version: Version): Promise<Version | undefined> {
    const length = await this.#guarded(version, () => previousEnd(this.#parts.entries, version.length))
    return length > headerLength ? { fork: version.fork, length } : undefined
  }

  /** The first version of at least a length, no later than another. @throws {SyncError} DAMAGED */
  async versionAtOrAfter(length: number, latest: Version): Promise<Version | undefined> {
    return this.#guarded(latest, async () => {
      const end = await endAtOrAfter(this.#parts.entries, length, latest.length)
      return end === undefined ? undefined : { fork: latest.fork, length: end }
    })
  }

  /** What a version has in a directory, in the log's order. @throws {SyncError} DAMAGED */
  async *list(
    version: Version,
    directory: TreePath | '',
    options: ListOptions
  ): AsyncGenerator<readonly [TreePath, Entry]> {
    const { recursive } = options
    try {
      const rows = await this.#packed(version, keysIn(directory), recursive ? undefined : nearBlocksMax)
      if (rows === undefined) yield* listOf(this.#parts.entries, version, directory, options)
      else yield* rows.filter(([path]) => recursive || parentPath(path) === directory)
    } catch (error) {
      throw damaged(version, error)
    }
  }

  /** What a version has at a path. @throws {SyncError} DAMAGED */
  entry(version: Version, path: TreePath): Promise<Entry | undefined> {
    return this.#guarded(version, async () => {
      const key = Buffer.from(path)
      const rows = await this.#packed(version, { from: key, to: Buffer.concat([key, Buffer.of(0)]) })
      if (rows !== undefined) return rows[0]?.[1]
      const used = this.#use(version)
      try {
        return await entryOf(used.view, path)
      } finally {
        this.#unuse(used)
      }
    })
  }

  /** Kept for the next that is asked for of the same version: most of the way to it leads through the same blocks. */
  #use(version: Version): Used {
    const last = this.#last
    if (last !== undefined && sameVersion(last.version, version)) {
      clearTimeout(last.timer)
      last.uses++
      return last
    }
    const used: Used = { version, view: new BeeView(this.#parts.entries, version.length), uses: 1, timer: undefined }
    this.#last = used
    return used
  }

  #unuse(used: Used): void {
    if (--used.uses > 0) return
    const close = () => {
      if (used === this.#last) this.#last = undefined
      used.view.close().catch(() => {})
    }
    if (used === this.#last) used.timer = setTimeout(close, idleMs).unref()
    else close()
  }

  /** @param blocks how many of the snapshot's it may take */
  async #packed(version: Version, keys: Keys, blocks?: number): Promise<readonly SnapshotRow[] | undefined> {
    const { entries, bee, content, fetch, isSparse = false } = this.#parts
    if (!isSparse) return undefined
    const parts = { entries, bee, fetch, content: async () => (await content()).core }
    return rowsInSnapshot(parts, version, keys, blocks)
  }

  /** What versions up to one have changed. @throws {SyncError} DAMAGED */
  async *versions(to: Version, { after, path, newestFirst, signal }: VersionsOptions): AsyncGenerator<Told> {
    const { entries, fetch } = this.#parts
    const options: HistoryOptions = { path, fetch: (start, end) => fetch(start, end, signal) }
    const told = newestFirst ? versionsBack(entries, after, to, options) : versionsSince(entries, after, to, options)
    try {
      yield* told
    } catch (error) {
      throw damaged(to, error)
    }
  }

  /** What stood before at the paths that a version changes. @throws {SyncError} DAMAGED */
  async before(changes: readonly LogEntry[], length: number): Promise<readonly Change[]> {
    if (length <= headerLength) return changes.map(([path, after]) => ({ path, before: undefined, after }))
    const view = new BeeView(this.#parts.entries, length)
    try {
      return await Promise.all(
        changes.map(async ([path, after]) => {
          const pair = await view.get(Buffer.from(path))
          return { path, before: pair && readPair(pair, () => {})?.[1], after }
        })
      )
    } catch (error) {
      throw damaged({ fork: this.#parts.entries.fork, length }, error)
    } finally {
      await view.close()
    }
  }

  /** A content, or a part of one. @throws {NotToBeHad} when nobody sends it */
  async *read(entry: FileEntry, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { content, arrivals, directory } = this.#parts
    const { core, places } = await content()
    const reader = this.#takeIdle() ?? new ContentReader(core, places, arrivals, directory)
    const end = () => void reader.close().catch(() => {})
    signal.addEventListener('abort', end, { once: true })
    let isWhole = false
    try {
      const extents = await extentsOf(entry, range, core, places)
      yield* reader.read({ ...entry, extents, size: range.end - range.start }, signal)
      isWhole = !signal.aborted
    } finally {
      signal.removeEventListener('abort', end)
      if (isWhole && this.#idle === undefined) this.#keepIdle(reader)
      else await reader.close().catch(() => {})
    }
  }

  #takeIdle(): ContentReader | undefined {
    const reader = this.#idle
    this.#idle = undefined
    clearTimeout(this.#idleTimer)
    return reader
  }

  /** The next content is likely to lie in the packs that this one has unpacked. */
  #keepIdle(reader: ContentReader): void {
    this.#idle = reader
    this.#idleTimer = setTimeout(
      () =>
        void this.#takeIdle()
          ?.close()
          .catch(() => {}),
      idleMs
    ).unref()
  }

  /** What blocks of the entries core say, raw. @throws {SyncError} DAMAGED */
  async *records(start: number, end: number, signal: AbortSignal): AsyncGenerator<LogRecord> {
    const { entries, fetch } = this.#parts
    const first = Math.max(start, headerLength)
    try {
      if (first < end) await fetch(first, end, signal)
      yield* recordsOf(entries, first, end)
    } catch (error) {
      throw damaged({ fork: entries.fork, length: end }, error)
    }
  }

  async #guarded<T>(version: Version, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw damaged(version, error)
    }
  }
}
