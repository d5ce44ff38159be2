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
 * What a peer remembers of its folder besides the log: the baseline, where each chunk is stored, and
 * up to where it got. All of it can be had again by a scan, so what can't be read is thrown away.
 *
 * Keys: `b` path → baseline record; `c` SHA-256 → extent of a chunk; `m` name → a value of `Notes`.
 * Values are JSON. An extent of before a folder could have several content cores names none: it is of the first.
 */
export class State {
  readonly #directory: string
  readonly #db: RocksDB

  private constructor(directory: string, db: RocksDB) {
    this.#directory = directory
    this.#db = db
  }

  /** Opens the state in `directory`, anew where what is there is of no use; `onLost` is told of that. */
  static async open(directory: string, onLost: () => void = () => {}): Promise<State> {
    try {
      return await State.#open(directory)
    } catch (error) {
      // In use, or out of reach at the moment, is not of no use.
      if (!isDamaged(error)) throw databaseFailure('state', directory, error) ?? error
      State.discard(directory)
      onLost()
      return State.#open(directory)
    }
  }

  /** Opens the state in `directory` to read it, beside whoever writes it; `undefined` where there is none of use. */
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

  /** Throws away the state in `directory`, which isn't open. */
  static discard(directory: string): void {
    rmSync(directory, { recursive: true, force: true })
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.#guarded(() => this.#db.deleteRange('a', 'z'))
    await this.commit((batch) => batch.note('format', stateFormat))
  }

  /** The whole baseline, one record after the other. */
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

  /** Where a chunk with this SHA-256 is stored, if it is. */
  async chunk(hash: string): Promise<Extent | undefined> {
    const value = await this.#guarded(() => this.#db.get(chunkKey(hash)))
    return value === null ? undefined : parseExtent(value)
  }

  /** Where chunks with these SHA-256 are stored, those that are. */
  async chunks(hashes: readonly string[]): Promise<ReadonlyMap<string, Extent>> {
    const found = new Map<string, Extent>()
    if (hashes.length === 0) return found
    // One question for all: each by itself costs more than its answer.
    const batch = this.#db.read()
    try {
      const values = Promise.all(hashes.map((hash) => batch.get(chunkKey(hash))))
      values.catch(() => {}) // Told below.
      await this.#guarded(() => batch.flush())
      for (const [i, value] of (await values).entries()) {
        if (value !== null) found.set(hashes[i] as string, parseExtent(value))
      }
      return found
    } finally {
      batch.destroy()
    }
  }

  /** All chunks whose place is known, one after the other. */
  async *allChunks(): AsyncGenerator<readonly [hash: string, extent: Extent]> {
    for await (const { key, value } of this.#db.iterator({ gte: 'c', lt: 'd', capacity: 256 })) {
      yield [key.toString('hex', 1), parseExtent(value)]
    }
  }

  /** Gives back the disk space of what was forgotten. */
  async compact(): Promise<void> {
    await this.#guarded(async () => {
      await this.#db.flush()
      await this.#db.compactRange(null, null, { bottommostLevelCompaction: 2 })
    })
    for (const name of readdirSync(this.#directory)) {
      // The engine's reports of earlier runs, for its makers to read.
      if (name.startsWith('LOG.old.')) rmSync(join(this.#directory, name), { force: true })
    }
  }

  /** Reads all that is in it: the engine compares it with its checksums. @throws {DatabaseFailure} */
  check(): Promise<void> {
    return this.#guarded(async () => {
      for await (const _ of this.#db.iterator({ gte: 'a', lt: 'z', capacity: 256 }));
    })
  }

  async note<N extends keyof Notes>(name: N): Promise<Notes[N] | undefined> {
    const value = await this.#guarded(() => this.#db.get(`m${name}`))
    return value === null ? undefined : (JSON.parse(value.toString()) as Notes[N])
  }

  /** Writes what `fill` puts into a batch, all of it or nothing. */
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
   * Writes many changes, in their order, in batches of some thousand: each is in memory several times
   * over until its batch is written. What is cut off in between leaves the first of them.
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

// The system caches files already; a second cache, and larger buffers, took 40 MB.
const limits = {
  writeBufferSize: 2 * 1024 * 1024,
  maxOpenFiles: 64,
  maxBackgroundJobs: 2,
  blockCache: false,
  tableCacheIndexAndFilterBlocks: false
}

/** Changes that are written at once: 50,000 took 100 MB, and were no faster. */
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

/** Single values that a peer remembers. */
export interface Notes {
  readonly format: number
  /** The version of the log that the baseline stands for, path by path; absent while it is between two. */
  readonly applied: { readonly fork: number; readonly length: number }
  /** The latest version of the log that was ever followed here, to its end or not. */
  readonly seen: { readonly fork: number; readonly length: number }
  /** The last version that was applied as a whole; length 0 once a first one, or an earlier one, or another part was begun. */
  readonly since: { readonly fork: number; readonly length: number }
  /** The parts of the log's tree that the folder may have been written by since then, the present one last; all of it where absent. */
  readonly parts: readonly Selection[]
  /** What the mirror was last told to hold, for when the file that says it is damaged. */
  readonly selection: SelectionRecord
  /** The content core when the chunk index was last written. */
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

  /** Forgets where a chunk is stored. */
  forgetChunk(hash: string): void {
    this.#batch.tryDelete(chunkKey(hash))
  }

  note<N extends keyof Notes>(name: N, value: Notes[N]): void {
    this.#batch.tryPut(`m${name}`, JSON.stringify(value))
  }

  /** Takes a note back. */
  forget(name: keyof Notes): void {
    this.#batch.tryDelete(`m${name}`)
  }
}

function chunkKey(hash: string): Buffer {
  return Buffer.concat([Buffer.from('c'), Buffer.from(hash, 'hex')])
}
