import { SyncError } from '../errors.ts'
import type { LogStore } from '../log/store.ts'
import { type PeerStream, Swarm } from '../net/swarm.ts'
import type { Problem } from '../tree/tree.ts'
import { Monitor, type SyncEvent } from './monitor.ts'

/** Where a DHT can be joined. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Events kept for an iteration that is slower than what happens. */
const queuedEventsMax = 10_000

/** Bytes that went over the network, all peers together. */
export interface Traffic {
  readonly received: number
  readonly sent: number
}

/** A folder at work in this process: what `share` and `clone` have in common. */
export abstract class FolderHandle implements AsyncIterable<SyncEvent> {
  protected readonly monitor = new Monitor()
  readonly #peers = new Set<PeerStream>()
  #gone = { received: 0, sent: 0 }
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #shutting: Promise<void> | undefined
  #swarm: Swarm | undefined

  /** The folder's key, in printed form. @throws {SyncError} NOT_READY before `ready()` */
  abstract get key(): string

  protected abstract open(): Promise<void>
  /** Closes whatever `open` has opened, perhaps not all; called once. */
  protected abstract shut(): Promise<void>

  /**
   * Resolves when the folder is open and being followed.
   *
   * @throws {SyncError} when it can't be opened; no file of the user's was touched then
   */
  ready(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new SyncError('CLOSED', 'This folder is closed'))
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Ends the work, saves all, and lets go of the folder. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Calls `listener` with everything that happens from now on. @returns a function that ends it */
  subscribe(listener: (event: SyncEvent) => void): () => void {
    return this.monitor.subscribe(listener)
  }

  /**
   * Everything that happens from now on, until the folder is closed. When the loop is slower than
   * the events, progress is dropped first; beyond 10,000 others waiting, the oldest.
   */
  [Symbol.asyncIterator](): AsyncIterator<SyncEvent> {
    const queue: SyncEvent[] = []
    let wake: (() => void) | undefined
    const unsubscribe = this.subscribe((event) => {
      if (event.type === 'progress' && queue.at(-1)?.type === 'progress') queue.pop()
      if (queue.length >= queuedEventsMax) queue.shift()
      queue.push(event)
      wake?.()
    })
    this.#atClose.add(() => wake?.())
    const end = (): IteratorResult<SyncEvent> => {
      unsubscribe()
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        while (queue.length === 0) {
          if (this.#closed) return end()
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        return { done: false, value: queue.shift() as SyncEvent }
      },
      return: async () => end()
    }
  }

  readonly #atClose = new Set<() => void>()
  #closed = false

  /** What is wrong with single paths at the moment. */
  get problems(): readonly Problem[] {
    return this.monitor.problems
  }

  /** How many peers are connected. */
  get peers(): number {
    return this.#peers.size
  }

  /** Bytes received and sent since the start. */
  get traffic(): Traffic {
    let { received, sent } = this.#gone
    for (const peer of this.#peers) {
      const counted = peer.traffic()
      received += counted.received
      sent += counted.sent
    }
    return { received, sent }
  }

  /** Resolves with the next event that `isIt` accepts. Rejects when the folder is closed first. */
  protected next(isIt: (event: SyncEvent) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const unsubscribe = this.subscribe((event) => {
        if (!isIt(event)) return
        unsubscribe()
        this.#atClose.delete(onClose)
        resolve()
      })
      const onClose = () => {
        unsubscribe()
        reject(new SyncError('CLOSED', 'The folder was closed'))
      }
      this.#atClose.add(onClose)
    })
  }

  /** Goes looking for peers of a topic, and replicates with each. */
  protected async connect(store: LogStore, topic: Buffer, bootstrap: readonly Address[] | undefined): Promise<void> {
    const keyPair = await store.identity()
    this.#swarm = new Swarm({ keyPair, bootstrap, onPeer: (peer) => this.#welcome(store, peer) })
    this.#swarm.join(topic)
  }

  protected async disconnect(): Promise<void> {
    await this.#swarm?.close()
  }

  #welcome(store: LogStore, peer: PeerStream): void {
    this.#peers.add(peer)
    this.#emitPeer(peer, 'connected')
    peer.stream.once('close', () => {
      const { received, sent } = peer.traffic()
      this.#gone = { received: this.#gone.received + received, sent: this.#gone.sent + sent }
      this.#peers.delete(peer)
      this.#emitPeer(peer, 'disconnected')
    })
    store.replicate(peer.stream)
  }

  #emitPeer({ peer, address }: PeerStream, state: 'connected' | 'disconnected'): void {
    this.monitor.emit({ type: 'peer', state, peer, address, peers: this.#peers.size })
  }

  async #open(): Promise<void> {
    try {
      await this.open()
    } catch (error) {
      // What went wrong first is what counts.
      await this.#shutOnce().catch(() => {})
      throw error
    }
  }

  #shutOnce(): Promise<void> {
    this.#shutting ??= this.shut()
    return this.#shutting
  }

  async #close(): Promise<void> {
    const failed = await this.#opening?.then(
      () => false,
      () => true
    )
    try {
      if (failed) await this.#shutOnce().catch(() => {})
      else await this.#shutOnce()
    } finally {
      this.#closed = true
      for (const end of this.#atClose) end()
    }
  }
}
