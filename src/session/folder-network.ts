import type { FolderQueue } from '../folder/folder-queue.ts'
import type { Monitor } from '../folder/monitor.ts'
import { PauseGate } from '../folder/pause-gate.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import type { Limits, PeerStatus } from '../net/status.ts'
import { Connections, type ConnectionsOptions, type ConnectOptions, type Traffic } from '../peers/connections.ts'

export interface FolderNetworkOptions extends ConnectOptions {
  /** Never connects. */
  readonly offline: boolean
  readonly monitor: Monitor
  /** Called when the store can't be read for a peer. */
  readonly onFailure: (error: unknown) => void
}

/** The log that peers replicate, and how they find it. */
export interface ReplicatedLog extends ConnectionsOptions {
  readonly store: LogStore
}

/**
 * The connections of one folder, from its first session to its last: what counts beyond a session is the traffic, the
 * limits, and whether the folder is paused.
 */
export class FolderNetwork {
  readonly #options: FolderNetworkOptions
  #gate: PauseGate | undefined
  /** The log of the session that is open now. */
  #log: ReplicatedLog | undefined
  #connections: Connections | undefined
  /** Of connections that are closed. */
  #pastTraffic: Traffic = { received: 0, sent: 0 }
  #limits: Limits | undefined

  constructor(options: FolderNetworkOptions) {
    this.#options = options
  }

  /** Reads from now on in the folder's state directory whether it is paused. Call it before anything else but `limit`. */
  claim(home: string): void {
    this.#gate = new PauseGate(home, this.#options.monitor)
  }

  get peers(): readonly PeerStatus[] {
    return this.#connections?.peers ?? []
  }

  /** Bytes since the folder was opened first. */
  get traffic(): Traffic {
    const { received, sent } = this.#connections?.traffic ?? { received: 0, sent: 0 }
    return { received: this.#pastTraffic.received + received, sent: this.#pastTraffic.sent + sent }
  }

  /** Why no peer is connected, in a sentence for people. */
  get whyNoPeers(): string {
    return this.#connections?.whyNoPeers ?? 'It is not connected to any network.'
  }

  /** Bytes per second to and from all peers together, now and in later sessions. */
  limit(limits: Limits): void {
    this.#limits = limits
    this.#connections?.limit(limits)
  }

  /**
   * Looks for peers that know the log's secret and replicates with each, until `disconnect`; while the folder is paused,
   * only after `resume`.
   *
   * @throws {SyncError} PORT_IN_USE, BAD_KEY for a public key of the options that is none
   */
  async connect(log: ReplicatedLog): Promise<void> {
    if (this.#options.offline) return
    this.#log = log
    if (!this.isPaused) await this.#connect(log)
  }

  /** Closes the connections; the session is about to close its log. */
  async disconnect(): Promise<void> {
    this.#log = undefined
    await this.#disconnect()
  }

  get isPaused(): boolean {
    return this.#gate?.isOn === true
  }

  /**
   * Pauses the folder, also for later sessions: its loop makes no further pass, and nobody is connected.
   *
   * @param queue of the session that is open, if one is
   * @returns `false` before `claim`
   */
  async pause(queue: FolderQueue | undefined): Promise<boolean> {
    if (this.#gate === undefined) return false
    this.#gate.begin(queue)
    await this.#disconnect()
    return true
  }

  /** Ends the pause. @returns `false` before `claim` */
  async resume(): Promise<boolean> {
    if (this.#gate === undefined) return false
    if (this.#gate.end() && this.#log !== undefined) await this.#connect(this.#log)
    return true
  }

  /** Holds a new session's queue if the folder is paused. Call it before the first pass. */
  holdIfPaused(queue: FolderQueue): void {
    this.#gate?.holdIfPaused(queue)
  }

  /** Lets a held queue go so that its session can close; the folder stays paused. */
  releaseQueue(): void {
    this.#gate?.release()
  }

  async #connect({ store, ...log }: ReplicatedLog): Promise<void> {
    const { monitor, offline: _, onFailure, ...options } = this.#options
    this.#limits ??= options.limits ?? {}
    this.#connections = new Connections(monitor, store, { ...options, ...log, limits: this.#limits, onFailure })
    await this.#connections.start()
  }

  async #disconnect(): Promise<void> {
    const connections = this.#connections
    if (connections === undefined) return
    this.#pastTraffic = this.traffic
    // The limits file may have changed them since.
    this.#limits = connections.limits ?? this.#limits
    this.#connections = undefined
    await connections.close()
  }
}
