import { setTimeout as sleep } from 'node:timers/promises'
import { makeTemporary, removeTemporary } from '../disk/path/temporary.ts'
import { SyncError } from '../errors.ts'
import { Monitor } from '../folder/monitor.ts'
import { LogStore, parseKey, printKey } from '../log/hypercore/store.ts'
import { LogReader } from '../log/reader.ts'
import { Connections, type ConnectOptions } from '../peers/connections.ts'
import type { LogSource } from './log-source.ts'

export interface RemoteOptions extends ConnectOptions {
  /** A directory that keeps fetched blocks for the next time; they are thrown away when left out. */
  readonly cache?: string
  /** How long to look for a first peer, in milliseconds. */
  readonly timeoutMs?: number
  readonly onNotice?: (message: string) => void
}

const timeoutMsDefault = 30_000
const tickMs = 10
/** How long a read waits while nothing comes. */
const patienceMs = 10_000

/** The log of remote peers. Reads fetch only the blocks that they need. */
export class RemoteLog {
  readonly source: LogSource
  readonly #store: LogStore
  readonly #reader: LogReader
  readonly #connections: Connections
  readonly #temporary: string | undefined

  private constructor(
    store: LogStore,
    reader: LogReader,
    connections: Connections,
    temporary: string | undefined,
    source: LogSource
  ) {
    this.#store = store
    this.#reader = reader
    this.#connections = connections
    this.#temporary = temporary
    this.source = source
  }

  /**
   * Opens the log with this key, and starts to look for peers.
   *
   * @throws {SyncError} BAD_KEY, PORT_IN_USE, and what `LogStore.open` throws
   */
  static async open(key: string, options: RemoteOptions): Promise<RemoteLog> {
    const { cache, timeoutMs = timeoutMsDefault, onNotice = () => {} } = options
    const secret = parseKey(key)
    const temporary = cache === undefined ? makeTemporary() : undefined
    const directory = cache ?? (temporary as string)
    let store: LogStore | undefined
    let connections: Connections | undefined
    try {
      store = await LogStore.open(directory, { copied: 'one-of-many' })
      const reader = await LogReader.open(store, printKey(secret), { sparse: true })
      const monitor = new Monitor()
      monitor.subscribe((event) => {
        if (event.type === 'notice' || event.type === 'error') onNotice(event.message)
      })
      const onFailure = (error: Error) => monitor.error(error)
      reader.onFailure(onFailure)
      connections = new Connections(monitor, store, {
        ...options,
        home: directory,
        secret,
        sends: false,
        isHidden: true,
        onFailure
      })
      const opened = connections
      await opened.start()
      const settled = (signal: AbortSignal) => settle(reader, opened, timeoutMs, signal)
      const source: LogSource = {
        key: printKey(secret),
        view: reader.view({ received: () => opened.traffic.received, patienceMs }),
        settled,
        onChange: (listener) => reader.onChange(listener),
        carried: reader.carried
      }
      return new RemoteLog(store, reader, opened, temporary, source)
    } catch (error) {
      await connections?.close().catch(() => {})
      await store?.close().catch(() => {})
      if (temporary !== undefined) removeTemporary(temporary)
      throw error
    }
  }

  async close(): Promise<void> {
    try {
      await this.#connections.close()
      await this.#reader.close()
      await this.#store.close()
    } finally {
      if (this.#temporary !== undefined) removeTemporary(this.#temporary)
    }
  }
}

/** Resolves when no connected peer has a newer version. After `timeoutMs` without peers, the cache is enough. @throws {SyncError} NO_PEER */
async function settle(
  reader: LogReader,
  connections: Connections,
  timeoutMs: number,
  signal: AbortSignal
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(reader.version !== undefined && reader.isNewest(reader.version))) {
    if (performance.now() > endMs) {
      if (reader.version !== undefined) return
      const message = `No peer was found in ${Math.round(timeoutMs / 1000)} s. ${connections.whyNoPeers} Give --timeout for more time`
      throw new SyncError('NO_PEER', message)
    }
    await sleep(tickMs, undefined, { signal })
  }
}
