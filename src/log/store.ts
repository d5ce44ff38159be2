import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import b4a from 'b4a'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import ids from 'hypercore-id-encoding'
import CorestoreStorage from 'hypercore-storage'
import { messageOf, SyncError, systemCode } from '../errors.ts'

/** A pair of Ed25519 keys. */
export interface KeyPair {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}

/** Where a folder's cores are kept: a Corestore in a directory of its own, one process at a time. */
export class LogStore {
  readonly #corestore: Corestore

  private constructor(corestore: Corestore) {
    this.#corestore = corestore
  }

  /**
   * Opens the store in `directory`, making it where there is none.
   *
   * @throws {SyncError} LOCKED, DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE
   */
  static async open(directory: string): Promise<LogStore> {
    refuseForeign(directory)
    // Smaller buffers than the defaults: half the memory while ingesting, a sixth of the disk when empty.
    const storage = new CorestoreStorage(directory, {
      writeBufferSize: 8 * 1024 * 1024,
      maxOpenFiles: 256,
      blobFileSize: 64 * 1024 * 1024,
      tableCacheIndexAndFilterBlocks: false,
      blockCache: false
    })
    const corestore = new Corestore(storage)
    try {
      await corestore.ready()
    } catch (error) {
      throw openFailure(directory, error)
    }
    return new LogStore(corestore)
  }

  /** A core of our own making, by name. */
  async named(name: string): Promise<Hypercore> {
    const core = this.#corestore.get({ name })
    await core.ready()
    return core
  }

  /** Anybody's core, by its key. */
  async keyed(key: Uint8Array): Promise<Hypercore> {
    const core = this.#corestore.get({ key })
    await core.ready()
    return core
  }

  /** The pair of keys by which other peers know this one; the same for the life of the store. */
  identity(): Promise<KeyPair> {
    return this.#corestore.createKeyPair('p2psync/peer')
  }

  /** Replicates all cores that both sides have over an authenticated stream. */
  replicate(stream: Duplex): void {
    this.#corestore.replicate(stream)
  }

  /** Returns when all that was appended would survive a power cut. Appending alone doesn't wait for that. */
  async flush(): Promise<void> {
    await this.#corestore.storage.db.flush()
  }

  async close(): Promise<void> {
    await this.#corestore.close()
  }
}

/**
 * The bytes of a key as it is printed: z-base-32 of 52 letters, or 64 hexadecimal digits.
 *
 * @throws {SyncError} BAD_KEY
 */
export function parseKey(text: string): Uint8Array {
  const key = text.trim()
  if (key.length !== 52 && key.length !== 64) {
    throw new SyncError(
      'BAD_KEY',
      `Not a key: ${shown(key)} has ${key.length} characters. A key has 52 letters and digits`
    )
  }
  const alphabet = key.length === 52 ? /^[ybndrfg8ejkmcpqxot1uwisza345h769]+$/ : /^[0-9a-f]+$/i
  if (!alphabet.test(key)) {
    const bad = [...key].find((character) => !alphabet.test(character))
    throw new SyncError(
      'BAD_KEY',
      `Not a key: ${shown(key)} has the character ${JSON.stringify(bad)}, which no key has`
    )
  }
  return b4a.from(ids.decode(key.length === 64 ? key.toLowerCase() : key))
}

/** A key as it is printed. */
export function printKey(key: Uint8Array): string {
  return ids.encode(key)
}

function shown(key: string): string {
  return JSON.stringify(key.length > 70 ? `${key.slice(0, 70)}…` : key)
}

/** Corestore moves whatever it finds in its directory into its database: it gets none but its own. */
function refuseForeign(directory: string): void {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new SyncError('FOLDER_UNREADABLE', `Can't read ${directory}: ${messageOf(error)}`, { cause: error })
  }
  if (names.includes('CORESTORE')) {
    // Written without a sync: a power cut soon after may leave it empty. It is made anew, for the same database.
    const file = join(directory, 'CORESTORE')
    if (statSync(file).size === 0) rmSync(file)
    return
  }
  if (names.length === 0) return
  throw new SyncError(
    'FOLDER_FORMAT',
    `${directory} holds files that aren't a store. Nothing was changed. Move them away`
  )
}

function openFailure(directory: string, error: unknown): SyncError {
  if (/could not be locked|lock hold|LOCK:/i.test(messageOf(error))) {
    return new SyncError('LOCKED', `The store ${directory} is in use by another process`, { cause: error })
  }
  if (systemCode(error) === 'ENOSPC' || /no space left/i.test(messageOf(error))) {
    return new SyncError('DISK_FULL', `No space left on the disk of ${directory}`, { cause: error })
  }
  return new SyncError('DAMAGED', `The store ${directory} can't be opened: ${messageOf(error)}`, { cause: error })
}
