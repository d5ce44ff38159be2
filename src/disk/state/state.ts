import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import RocksDB, { type WriteBatch } from 'rocksdb-native'
import { databaseFailure, isDiskFull, messageOf } from '../../errors.ts'
import { firstCore } from '../../tree/block-ref.ts'
import type { BaselineRecord } from '../../tree/diff.ts'
import type { Entry, Extent } from '../../tree/entry.ts'
import { parseTreePath, type TreePath } from '../../tree/path.ts'
import type { Selection } from '../../tree/select.ts'
import type { SelectionRecord } from './selection-file.ts'

/**
 * A peer's local database about its folder, besides the log: the baseline, the place of each chunk, and checkpoints.
 * A scan can rebuild all of it, so a damaged database is discarded.
 *
 * Keys: `b` path → baseline record; `c` SHA-256 → extent of a chunk; `m` name → a value of `Notes`.
 * Values are JSON. Extents from before a folder could have several content cores name no core and mean the first.
 */
export class State {
  readonly #directory: string
  readonly #db: RocksDB

  private constructor(directory: string, db: RocksDB) {
    this.#directory = directory
    this.#db = db
  }

  /**
   * Opens the state in `directory`. Replaces a damaged one by an empty one and calls `onLost`.
   *
   * @throws {DatabaseFailure} if it is in use or out of reach
   */
  static async open(directory: string, onLost: () => void = () => {}): Promise<State> {
    try {
      return await State.#open(directory)
    } catch (error) {
      // A database that is in use, or temporarily out of reach, isn't damaged.
      if (!isDamaged(error)) throw databaseFailure('state', directory, error) ?? error
      State.discard(directory)
      onLost()
      return State.#open(directory)
    }
  }

  /** Opens the state in `directory` for reading, beside a process that writes it; `undefined` if it isn't usable. */
  static async openReadOnly(directory: string): Promise<State | undefined> {
    const state = new State(directory, new RocksDB(directory, { readOnly: true, ...limits }))
    try {
      await state.#db.ready()
      if ((await state.note('format')) === stateFormat) return state
    } catch (error) {
      if (!isDamaged(error)) throw databaseFailure('state', directory, error) ?? error
    }
    await state.#db.close().catch(() => {})
    return undefined
  }

  static async #open(directory: string): Promise<State> {
    const db = new RocksDB(directory, limits)
    const state = new State(directory, db)
    try {
      await db.ready()
      if ((await state.note('format')) !== stateFormat) await state.clear()
    } catch (error) {
      await db.close().catch(() => {})
      throw error
    }
    return state
  }

  /** Deletes the state in `directory`, which must not be open. */
  static discard(directory: string): void {
    rmSync(directory, { recursive: true, force: true })
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  /** Deletes all records. */
  async clear(): Promise<void> {
    await this.#guarded(() => this.#db.deleteRange('a', 'z'))
    await this.commit((batch) => batch.note('format', stateFormat))
  }

  /** Iterates over the baseline, record by record. */
  async *records(): AsyncGenerator<readonly [TreePath, BaselineRecord]> {
    for await (const { key, value } of this.#db.iterator({ gte: 'b', lt: 'c', capacity: 256 })) {
      const path = parseTreePath(key.toString('utf8', 1))
      const record = parseRecord(value)
      if (path !== undefined && record !== undefined) yield [path, record]
    }
  }

  /** The whole baseline, in memory. */
  baseline(): Promise<Map<TreePath, BaselineRecord>> {
    return this.#guarded(() => this.#readBaseline())
  }

  async #readBaseline(): Promise<Map<TreePath, BaselineRecord>> {
    const baseline = new Map<TreePath, BaselineRecord>()
    for await (const [path, record] of this.records()) baseline.set(path, record)
    return baseline
  }

  /** Where the chunk with this SHA-256 is stored; `undefined` if unknown. */
  async chunk(hash: string): Promise<Extent | undefined> {
    const value = await this.#guarded(() => this.#db.get(chunkKey(hash)))
    return value === null ? undefined : parseExtent(value)
  }

  /** Where the chunks with these SHA-256 are stored; leaves out unknown ones. */
  async chunks(hashes: readonly string[]): Promise<ReadonlyMap<string, Extent>> {
    const found = new Map<string, Extent>()
    if (hashes.length === 0) return found
    // One batched read: the overhead of a single read is larger than its work.
    const batch = this.#db.read()
    try {
      const values = Promise.all(hashes.map((hash) => batch.get(chunkKey(hash))))
      values.catch(() => {}) // It is awaited below.
      await this.#guarded(() => batch.flush())
      for (const [i, value] of (await values).entries()) {
        if (value !== null) found.set(hashes[i] as string, parseExtent(value))
      }
      return found
    } finally {
      batch.destroy()
    }
  }

  /** Iterates over all chunks whose place is known. */
  async *allChunks(): AsyncGenerator<readonly [hash: string, extent: Extent]> {
    for await (const { key, value } of this.#db.iterator({ gte: 'c', lt: 'd', capacity: 256 })) {
      yield [key.toString('hex', 1), parseExtent(value)]
    }
  }

  /** Frees the disk space of deleted records. */
  async compact(): Promise<void> {
    await this.#guarded(async () => {
      await this.#db.flush()
      await this.#db.compactRange(null, null, { bottommostLevelCompaction: 2 })
    })
    for (const name of readdirSync(this.#directory)) {
      // RocksDB's logs of earlier runs, for its developers.
      if (name.startsWith('LOG.old.')) rmSync(join(this.#directory, name), { force: true })
    }
  }

  /** Reads all records, so that RocksDB verifies its checksums. @throws {DatabaseFailure} */
  check(): Promise<void> {
    return this.#guarded(async () => {
      for await (const _ of this.#db.iterator({ gte: 'a', lt: 'z', capacity: 256 }));
    })
  }

  async note<N extends keyof Notes>(name: N): Promise<Notes[N] | undefined> {
    const value = await this.#guarded(() => this.#db.get(`m${name}`))
    return value === null ? undefined : (JSON.parse(value.toString()) as Notes[N])
  }

  /** Atomically writes the batch that `fill` makes. */
  async commit(fill: (batch: StateBatch) => void): Promise<void> {
    const batch = this.#db.write()
    try {
      fill(new StateBatch(batch))
      await this.#guarded(() => batch.flush())
    } finally {
      batch.destroy()
    }
  }

  /**
   * Writes many changes, in their order, in batches of some thousand: until its batch is written, each change takes
   * memory several times over. A crash in between leaves the first of them written.
   */
  async commitAll(changes: Iterable<(batch: StateBatch) => void>): Promise<void> {
    let part: ((batch: StateBatch) => void)[] = []
    const write = async () => {
      const fill = part
      part = []
      if (fill.length > 0) await this.commit((batch) => fill.forEach((change) => void change(batch)))
    }
    for (const change of changes) if (part.push(change) >= batchChangesMax) await write()
    await write()
  }

  /** Tells a database that can't be used from what else may go wrong. */
  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw databaseFailure('state', this.#directory, error) ?? error
    }
  }
}

// The system caches files already; a second cache and larger buffers took 40 MB.
const limits = {
  writeBufferSize: 2 * 1024 * 1024,
  maxOpenFiles: 64,
  maxBackgroundJobs: 2,
  blockCache: false,
  tableCacheIndexAndFilterBlocks: false
}

/** Changes per batch: 50,000 took 100 MB and were no faster. */
const batchChangesMax = 2000

const stateFormat = 1

function isDamaged(error: unknown): boolean {
  return (
    !isDiskFull(error) &&
    !/could not be locked|lock hold|LOCK:|permission|too many open|read-only/i.test(messageOf(error))
  )
}

function parseExtent(value: Buffer): Extent {
  return withCore(JSON.parse(value.toString()) as StoredExtent)
}

type StoredExtent = Omit<Extent, 'core'> & Partial<Pick<Extent, 'core'>>

function withCore(extent: StoredExtent): Extent {
  return { core: firstCore, ...extent }
}

function withCores(entry: Entry): Entry {
  return entry.type === 'file' ? { ...entry, extents: entry.extents.map(withCore) } : entry
}

function parseRecord(value: Buffer): BaselineRecord | undefined {
  try {
    const [entry, signature] = JSON.parse(value.toString()) as [Entry, string]
    return { entry: withCores(entry), signature }
  } catch {
    return undefined
  }
}

/** The progress of a mirror in one log. */
export interface LogNotes {
  /** The version of the log that the baseline equals; absent while the baseline is between two versions. */
  readonly applied: { readonly fork: number; readonly length: number }
  /** The latest version of the log that this peer ever began to apply. */
  readonly seen: { readonly fork: number; readonly length: number }
  /** The last version applied completely; length 0 once a first or earlier version, or another selection, was begun. */
  readonly since: { readonly fork: number; readonly length: number }
  /** The selections that may have written to the folder since then, the present one last; everything if absent. */
  readonly parts: readonly Selection[]
}

/** The notes of a further log that a mirror follows, by its key. */
type KeyedNotes = { readonly [N in keyof LogNotes as `${N}:${string}`]: LogNotes[N] }

/** Single values in the database. */
export interface Notes extends LogNotes, KeyedNotes {
  readonly format: number
  /** A copy of the mirror's last selection, in case its file gets damaged. */
  readonly selection: SelectionRecord
  /** The fork and length of the content core when the chunk index was last written. */
  readonly content: { readonly fork: number; readonly length: number }
}

/** A batch of changes to the state. */
export class StateBatch {
  readonly #batch: WriteBatch

  constructor(batch: WriteBatch) {
    this.#batch = batch
  }

  put(path: TreePath, { entry, signature }: BaselineRecord): void {
    this.#batch.tryPut(`b${path}`, JSON.stringify([entry, signature]))
  }

  remove(path: TreePath): void {
    this.#batch.tryDelete(`b${path}`)
  }

  chunk(hash: string, extent: Extent): void {
    this.#batch.tryPut(chunkKey(hash), JSON.stringify(extent))
  }

  /** Deletes the place of a chunk. */
  forgetChunk(hash: string): void {
    this.#batch.tryDelete(chunkKey(hash))
  }

  note<N extends keyof Notes>(name: N, value: Notes[N]): void {
    this.#batch.tryPut(`m${name}`, JSON.stringify(value))
  }

  /** Deletes a note. */
  forget(name: keyof Notes): void {
    this.#batch.tryDelete(`m${name}`)
  }
}

function chunkKey(hash: string): Buffer {
  return Buffer.concat([Buffer.from('c'), Buffer.from(hash, 'hex')])
}
