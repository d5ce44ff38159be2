import { writeMarker } from '../disk/marker.ts'
import { RunningMark } from '../disk/running-mark.ts'
import { State } from '../disk/state.ts'
import { SyncError } from '../errors.ts'
import { LogStore } from '../log/store.ts'
import { LogWriter } from '../log/writer.ts'
import { reached } from '../steps.ts'
import { type Folder, openFolder } from './folder.ts'
import { type Address, FolderHandle } from './handle.ts'
import { Publisher } from './publish.ts'
import { beginRun } from './writer-state.ts'

export interface ShareOptions {
  /** The first nodes of the DHT to join; the public one when left out. */
  readonly bootstrap?: readonly Address[]
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /** Finds changes by looking at everything again and again, where notifications don't work. */
  readonly poll?: boolean
  /** Between two such looks, in milliseconds. 2 seconds when left out. */
  readonly pollIntervalMs?: number
  /** Between two looks at everything beside notifications, in milliseconds. 10 minutes when left out. */
  readonly rescanIntervalMs?: number
}

/** A folder that is published from here. */
export class SharedFolder extends FolderHandle {
  readonly #directory: string
  readonly #options: ShareOptions
  #folder: Folder | undefined
  #store: LogStore | undefined
  #writer: LogWriter | undefined
  #state: State | undefined
  #publisher: Publisher | undefined
  #mark: RunningMark | undefined

  constructor(directory: string, options: ShareOptions) {
    super()
    this.#directory = directory
    this.#options = options
  }

  override get key(): string {
    if (this.#writer === undefined) throw new SyncError('NOT_READY', 'The key is known when the folder is ready')
    return this.#writer.key
  }

  /** Resolves when the folder, as it was at some moment after the call, is published. */
  published(): Promise<void> {
    return this.next((event) => event.type === 'up-to-date')
  }

  protected override async open(): Promise<void> {
    const { bootstrap, state, poll = false, pollIntervalMs = 2000, rescanIntervalMs = 600_000 } = this.#options
    const folder = openFolder(this.#directory, { role: 'writer', state })
    this.#folder = folder
    const store = await LogStore.open(folder.store)
    this.#store = store
    const writer = await LogWriter.open(store)
    this.#writer = writer
    // A marker must not name a key that a power cut could still take back.
    if (folder.marker.key === null) await store.flush()
    claimKey(folder, writer.key)
    const stateDb = await this.#beginRun(folder, store, writer)
    this.#publisher = new Publisher(folder, writer, stateDb, this.monitor, {
      poll,
      pollMs: pollIntervalMs,
      rescanMs: rescanIntervalMs
    })
    await this.connect(store, writer.topic, bootstrap)
    this.monitor.emit({ type: 'ready', role: 'writer', key: this.key, folder: folder.root })
    this.#publisher.start()
  }

  async #beginRun(folder: Folder, store: LogStore, writer: LogWriter): Promise<State> {
    const mark = new RunningMark(folder.running)
    const { endedCleanly } = mark
    mark.set()
    reached('mark-set')
    const state = await State.open(folder.state)
    this.#state = state
    await beginRun(state, writer, { endedCleanly, flush: () => store.flush() })
    this.#mark = mark
    return state
  }

  protected override async shut(): Promise<void> {
    try {
      await this.#publisher?.close()
      await this.disconnect()
      await this.#state?.close()
      await this.#store?.flush()
      reached('log-flushed')
      this.#mark?.clear()
      reached('mark-cleared')
    } finally {
      await this.#store?.close()
      this.#folder?.lock.release()
    }
  }
}

/** Writes the key into the marker, or refuses a store that isn't this folder's. */
function claimKey(folder: Folder, key: string): void {
  const { root, marker, store } = folder
  if (marker.key === key) return
  if (marker.key !== null) {
    throw new SyncError('DAMAGED', `The store ${store} is of the key ${key}, but ${root} was shared as ${marker.key}`)
  }
  writeMarker(root, { ...marker, key })
  reached('key-claimed')
}
