import { State } from '../disk/state.ts'
import { LogReader } from '../log/reader.ts'
import { type LogStore, parseKey, printKey } from '../log/store.ts'
import { type Folder, openFolder } from './folder.ts'
import { type Address, FolderHandle } from './handle.ts'
import { Mirror } from './mirror.ts'
import { openStore } from './open-store.ts'

export interface CloneOptions {
  /** The first nodes of the DHT to join; the public one when left out. */
  readonly bootstrap?: readonly Address[]
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /** Takes a directory that isn't empty: files that match are kept, others stay as the user's own. */
  readonly adopt?: boolean
  /** Refuses symlinks whose target is absolute or could lead out of the folder; a link that is there already stays. */
  readonly safeLinks?: boolean
}

/** A folder that follows one published elsewhere. */
export class ClonedFolder extends FolderHandle {
  readonly #key: Uint8Array
  readonly #directory: string
  readonly #options: CloneOptions
  #folder: Folder | undefined
  #store: LogStore | undefined
  #reader: LogReader | undefined
  #state: State | undefined
  #mirror: Mirror | undefined

  /** @throws {SyncError} BAD_KEY */
  constructor(key: string, directory: string, options: CloneOptions) {
    super()
    this.#key = parseKey(key)
    this.#directory = directory
    this.#options = options
  }

  override get key(): string {
    return printKey(this.#key)
  }

  /** Resolves when the folder holds the newest version that its connected peers have, after the call. */
  inSync(): Promise<void> {
    return this.next((event) => event.type === 'in-sync')
  }

  protected override async open(): Promise<void> {
    const { bootstrap, state, adopt, safeLinks = false } = this.#options
    const { key } = this
    const folder = openFolder(this.#directory, { role: 'reader', key, state, adopt })
    this.#folder = folder
    this.#store = await openStore(folder)
    this.#reader = await LogReader.open(this.#store, key)
    this.#state = await State.open(folder.state)
    this.#mirror = new Mirror(folder, this.#reader, this.#state, this.monitor, {
      received: () => this.traffic.received,
      safeLinks
    })
    await this.connect(this.#store, this.#reader.topic, bootstrap)
    this.monitor.emit({ type: 'ready', role: 'reader', key, folder: folder.root })
    this.#mirror.start()
  }

  protected override async shut(): Promise<void> {
    try {
      await this.#mirror?.close()
      await this.disconnect()
      await this.#reader?.close()
      await this.#state?.close()
      await this.#store?.flush()
    } finally {
      await this.#store?.close()
      this.#folder?.lock.release()
    }
  }
}
