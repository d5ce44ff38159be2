import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import CorestoreStorage from 'hypercore-storage'
import { DatabaseFailure, databaseFailure, messageOf, SyncError, systemCode } from '../../errors.ts'
import './missing-nodes.ts'
import { trackAvailability } from './availability.ts'
import { type CompactOptions, compact } from './compact.ts'
import { storageInternalsOf } from './internals.ts'
import { guardPeers } from './peer-guard.ts'

export { parseKey, printKey } from './key.ts'

/** A pair of Ed25519 keys. */
export interface StoreKeyPair {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}

/** Nodes and keys that each view of a Hyperbee caches. Its default is 65,536 for each view, 40 MB. */
const cachedNodesMax = 8192

export interface StoreOptions {
  readonly copied?: 'refuse' | 'only' | 'one-of-many'
  readonly inodesLast?: boolean
}

/** The store of a folder's cores: a Corestore in a directory of its own, used by one process at a time. */
export class LogStore {
  readonly directory: string
  readonly #corestore: Corestore
  readonly #storage: CorestoreStorage

  private constructor(directory: string, corestore: Corestore, storage: CorestoreStorage) {
    this.directory = directory
    this.#corestore = corestore
    this.#storage = storage
  }

  /**
   * Opens the store in `directory`, and creates it if there is none.
   *
   * @param options.inodesLast whether a file has the same inode number whenever its disk is mounted
   * @param options.copied how to treat a store that was copied here from elsewhere: refuse it, take it as the one and
   *   only, or take it as one of many, under an identity of its own
   * @throws {SyncError} LOCKED, DAMAGED, DISK_FULL, STORE_COPIED, FOLDER_FORMAT, FOLDER_UNREADABLE
   */
  static async open(directory: string, { copied = 'refuse', inodesLast = true }: StoreOptions = {}): Promise<LogStore> {
    refuseForeign(directory)
    if (!inodesLast) recognise(join(directory, deviceFileName))
    refuseHeadless(directory)
    const isBare = isBareStore(directory)
    const device = join(directory, deviceFileName)
    // Corestore writes the file without a sync, so a power cut soon after leaves it empty. Corestore creates it anew
    // for the same database.
    if (statSync(device, { throwIfNoEntry: false })?.size === 0) rmSync(device)
    try {
      if (!isBare) return await LogStore.#openHere(directory)
    } catch (error) {
      if (!isCopied(error)) throw error
    }
    if (copied === 'refuse') {
      throw new SyncError(
        'STORE_COPIED',
        `The store ${directory} was copied or restored from elsewhere. Two that write one log break it for all its ` +
          'readers: make sure that no other copy is ever used again, then give --moved'
      )
    }
    // Corestore creates the file anew for the present place of the store.
    rmSync(join(directory, deviceFileName), { force: true })
    const store = await LogStore.#openHere(directory)
    if (copied === 'only') return store
    // Two peers of one identity never connect to each other.
    await storageInternalsOf(store.#storage).setSeed(randomBytes(32))
    await store.close()
    return LogStore.#openHere(directory)
  }

  /**
   * Opens the store in `directory` read-only: it may be a copy.
   *
   * @throws {SyncError} DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE
   */
  static async openReadOnly(directory: string): Promise<LogStore> {
    refuseForeign(directory)
    refuseHeadless(directory)
    return LogStore.#openHere(directory, true)
  }

  static async #openHere(directory: string, readOnly = false): Promise<LogStore> {
    // Smaller buffers than the defaults: half the memory while ingesting, a sixth of the disk when empty.
    const storage = new CorestoreStorage(directory, {
      readOnly,
      writeBufferSize: 4 * 1024 * 1024,
      maxOpenFiles: 256,
      maxBackgroundJobs: 2,
      blobFileSize: 64 * 1024 * 1024,
      tableCacheIndexAndFilterBlocks: false,
      blockCache: false
    })
    const corestore = new Corestore(storage, { readOnly, globalCache: { maxSize: cachedNodesMax } })
    try {
      await corestore.ready()
    } catch (error) {
      // A database that stays open stays locked, for this process too.
      await corestore.close().catch(() => {})
      await storage.close().catch(() => {})
      throw openFailure(directory, error)
    }
    return new LogStore(directory, corestore, storage)
  }

  /** A core of this store, by name. */
  async named(name: string): Promise<Hypercore> {
    return this.#ready(this.#corestore.get({ name }))
  }

  /** Any core, by its key. */
  async keyed(key: Uint8Array): Promise<Hypercore> {
    return this.#ready(this.#corestore.get({ key }))
  }

  async #ready(core: Hypercore): Promise<Hypercore> {
    trackAvailability(core)
    guardPeers(core)
    try {
      await core.ready()
      return core
    } catch (error) {
      throw databaseFailure('store', this.directory, error) ?? error
    }
  }

  /** The key pair by which peers know this one; the same for the life of the store. */
  identity(): Promise<StoreKeyPair> {
    return this.#corestore.createKeyPair('p2psync/peer')
  }

  /** A key pair for a machine that can't keep an identity of its own. */
  machine(): Promise<StoreKeyPair> {
    return this.#corestore.createKeyPair('p2psync/machine')
  }

  /** Replicates all cores that both sides have over an authenticated stream. */
  replicate(stream: Duplex): void {
    this.#corestore.replicate(stream)
  }

  /** Makes all appended blocks durable: appending alone doesn't wait for that. */
  async flush(): Promise<void> {
    await storageInternalsOf(this.#storage).db.flush()
  }

  /**
   * Gives back the disk space of cleared blocks. The store can be used meanwhile.
   *
   * @throws {SyncError} DISK_FULL, DAMAGED; the reason of an abortion
   */
  async compact(options: CompactOptions = {}): Promise<void> {
    try {
      await compact(storageInternalsOf(this.#storage).db, options)
    } catch (error) {
      throw databaseFailure('store', this.directory, error) ?? error
    }
    dropOldReports(join(this.directory, 'db'))
  }

  /**
   * Reads everything but blocks through the storage engine, which compares it with its checksums.
   *
   * @returns the messages of the engine about damage
   */
  async scan(): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for (const [gte, lt] of rangesBesideBlocks()) {
      // A read stops at the first damage; in reverse it finds the last.
      for (const reverse of [false, true]) {
        try {
          for await (const _ of storageInternalsOf(this.#storage).db.iterator({ gte, lt, reverse, capacity: 1024 }));
          break
        } catch (error) {
          // The engine reads one value beyond the range, too. Damage of blob files is found by reading the blocks.
          if (!/blob/i.test(messageOf(error))) found.add(messageOf(error))
        }
      }
    }
    return found
  }

  async close(): Promise<void> {
    try {
      await this.#corestore.close()
    } finally {
      // A core that fails to close would leave the database open, and locked for this process too.
      await this.#storage.close()
    }
  }
}

/** Refuses a directory with other files: Corestore would move them into its database. */
function refuseForeign(directory: string): void {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new SyncError('FOLDER_UNREADABLE', `Can't read ${directory}: ${messageOf(error)}`, { cause: error })
  }
  if (names.length === 0 || names.some((name) => name.toUpperCase() === deviceFileName) || isBareStore(directory))
    return
  throw new SyncError(
    'FOLDER_FORMAT',
    `${directory} holds files that aren't a store. Nothing was changed. Move them away`
  )
}

// Keys of hypercore-storage: data of a core begins with 4, the number of the core, and the kind of data.
const coreData = 4
const blockData = 3
/** A store has two cores. */
const coresMax = 8

function* rangesBesideBlocks(): Generator<readonly [gte: Buffer, lt: Buffer]> {
  yield [Buffer.of(0), Buffer.of(coreData)]
  for (let core = 0; core < coresMax; core++) {
    yield [Buffer.of(coreData, core), Buffer.of(coreData, core, blockData)]
    yield [Buffer.of(coreData, core, blockData + 1), Buffer.of(coreData, core + 1)]
  }
  yield [Buffer.of(coreData, coresMax), Buffer.of(0xff)]
}

/** The file by which Corestore tells its store from a copy: it holds its own inode number and creation time. */
export const deviceFileName = 'CORESTORE'
/** How much Corestore lets the times of that file differ. */
const deviceFileSlackMs = 5000

/**
 * Writes the present inode number into the device file, for file systems that make inode numbers up at each mount:
 * Corestore would take its own store for a copy. Only if the file has no extended attribute to be recognised by: a
 * store that was created on a better file system and copied to this one is a copy.
 */
function recognise(deviceFile: string): void {
  if (!existsSync(deviceFile)) return
  const text = readFileSync(deviceFile, 'utf8')
  if (/^device\/attribute=/m.test(text)) return
  const { ino, mtimeMs } = statSync(deviceFile)
  const created = Number(/^device\/created=(\d+)/m.exec(text)?.[1])
  const isKnown = new RegExp(`^device/inode=${ino}\\s*$`, 'm').test(text)
  if (isKnown && Math.abs(mtimeMs - created) < deviceFileSlackMs) return
  const others = text.split(/\r?\n/).filter((line) => line !== '' && !/^device\/(inode|created)=/.test(line))
  writeFileSync(deviceFile, [...others, `device/inode=${ino}`, `device/created=${Date.now()}`, ''].join('\n'))
}

/**
 * Refuses a database without its CURRENT file: the engine would take it for a new one, and delete what is left of it.
 */
function refuseHeadless(directory: string): void {
  const db = join(directory, 'db')
  if (!existsSync(db) || existsSync(join(db, 'CURRENT')) || readdirSync(db).length === 0) return
  const message = `The store ${directory} is damaged: its file db/CURRENT is missing`
  throw new DatabaseFailure('store', 'DAMAGED', message, undefined)
}

/** Deletes old logs of the engine: it begins one with each start, and keeps a thousand. */
function dropOldReports(db: string): void {
  for (const name of readdirSync(db)) if (name.startsWith('LOG.old.')) rmSync(join(db, name), { force: true })
}

/** Whether the device file of a store is lost, perhaps while Corestore created it. */
function isBareStore(directory: string): boolean {
  return !existsSync(join(directory, deviceFileName)) && existsSync(join(directory, 'db/CURRENT'))
}

function isCopied(error: unknown): boolean {
  return error instanceof SyncError && systemCode(error.cause) === 'DEVICE_FILE'
}

function openFailure(directory: string, error: unknown): SyncError {
  if (/could not be locked|lock hold|LOCK:/i.test(messageOf(error))) {
    return new SyncError('LOCKED', `The store ${directory} is in use by another process`, { cause: error })
  }
  const known = databaseFailure('store', directory, error)
  if (known !== undefined) return known
  const message = `The store ${directory} can't be opened: ${messageOf(error)}`
  return new DatabaseFailure('store', 'DAMAGED', message, error)
}
