import { rmSync } from 'node:fs'
import RocksDB, { type WriteBatch } from 'rocksdb-native'
import { messageOf } from '../errors.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry, Extent } from '../tree/entry.ts'
import { parseTreePath, type TreePath } from '../tree/path.ts'

/**
 * What a peer remembers of its folder besides the log: the baseline, where each chunk is stored, and
 * up to where it got. All of it can be had again by a scan, so what can't be read is thrown away.
 *
 * Keys: `b` path → baseline record; `c` SHA-256 → extent of a chunk; `m` name → a value of `Notes`.
 * Values are JSON.
 */
export class State {
  readonly #db: RocksDB

  private constructor(db: RocksDB) {
    this.#db = db
  }

  /** Opens the state in `directory`, anew where what is there is of no use. */
  static async open(directory: string): Promise<State> {
    const options = { writeBufferSize: 8 * 1024 * 1024, maxOpenFiles: 64, maxBackgroundJobs: 2 }
    let db = new RocksDB(directory, options)
    try {
      await db.ready()
    } catch (error) {
      // In use, or out of reach at the moment, is not of no use.
      if (!isDamaged(error)) throw error
      rmSync(directory, { recursive: true, force: true })
      db = new RocksDB(directory, options)
      await db.ready()
    }
    const state = new State(db)
    if ((await state.note('format')) !== stateFormat) await state.clear()
    return state
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.#db.deleteRange('a', 'z')
    await this.commit((batch) => batch.note('format', stateFormat))
  }

  /** The whole baseline, in memory. */
  async baseline(): Promise<Map<TreePath, BaselineRecord>> {
    const baseline = new Map<TreePath, BaselineRecord>()
    for await (const { key, value } of this.#db.iterator({ gte: 'b', lt: 'c', capacity: 1024 })) {
      const path = parseTreePath(key.toString('utf8', 1))
      const record = parseRecord(value)
      if (path !== undefined && record !== undefined) baseline.set(path, record)
    }
    return baseline
  }

  /** Where a chunk with this SHA-256 is stored, if it is. */
  async chunk(hash: string): Promise<Extent | undefined> {
    const value = await this.#db.get(chunkKey(hash))
    return value === null ? undefined : (JSON.parse(value.toString()) as Extent)
  }

  async note<N extends keyof Notes>(name: N): Promise<Notes[N] | undefined> {
    const value = await this.#db.get(`m${name}`)
    return value === null ? undefined : (JSON.parse(value.toString()) as Notes[N])
  }

  /** Writes what `fill` puts into a batch, all of it or nothing. */
  async commit(fill: (batch: StateBatch) => void): Promise<void> {
    const batch = this.#db.write()
    try {
      fill(new StateBatch(batch))
      await batch.flush()
    } finally {
      batch.destroy()
    }
  }
}

const stateFormat = 1

function isDamaged(error: unknown): boolean {
  return !/lock|no space|permission|too many open|read-only|input\/output/i.test(messageOf(error))
}

function parseRecord(value: Buffer): BaselineRecord | undefined {
  try {
    const [entry, signature] = JSON.parse(value.toString()) as [Entry, string]
    return { entry, signature }
  } catch {
    return undefined
  }
}

/** Single values that a peer remembers. */
export interface Notes {
  readonly format: number
  /** The version of the log that the baseline stands for, path by path; absent while it is between two. */
  readonly applied: { readonly fork: number; readonly length: number }
  /** The last version that was applied as a whole; length 0 once a first one was begun. Never taken back. */
  readonly since: { readonly fork: number; readonly length: number }
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
