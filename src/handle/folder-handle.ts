import { setTimeout as sleep } from 'node:timers/promises'
import type { Totals } from '../baseline/totals.ts'
import { type Collectable, type Collected, type CollectOptions, collectGarbage } from '../care/collect-garbage.ts'
import { verify } from '../care/verify.ts'
import type { VerifyEvent, VerifyOptions } from '../care/verify-events.ts'
import type { VerifyHost } from '../care/verify-host.ts'
import { State } from '../disk/state/state.ts'
import { DatabaseFailure, databaseFailure, SyncError } from '../errors.ts'
import { eventsOf } from '../folder/event-queue.ts'
import type { Folder } from '../folder/folder.ts'
import { FolderActivity } from '../folder/folder-activity.ts'
import type { Attach, Attachment, Loop } from '../folder/loop.ts'
import { Monitor, type SyncEvent } from '../folder/monitor.ts'
import { PauseGate } from '../folder/pause-gate.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import { runInOrder } from '../folder/run-in-order.ts'
import { SpaceWait } from '../folder/space-wait.ts'
import { Tasks } from '../folder/tasks.ts'
import type { Workspace } from '../folder/workspace.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import type { Limits, PeerStatus } from '../net/status.ts'
import { Connections, type ConnectionsOptions, type ConnectOptions, type Traffic } from '../peers/connections.ts'
import type { LogSource } from '../query/log-source.ts'
import type { Problem } from '../tree/tree.ts'
import { folderStatus, type StatusRecord } from './status.ts'

/** Before a state is made anew, in milliseconds: a disk that breaks whatever is written mustn't keep us busy. */
const reopenMs = 1000

/** A folder at work in this process: what `share` and `clone` have in common. */
export abstract class FolderHandle implements AsyncIterable<SyncEvent> {
  protected readonly monitor = new Monitor()
  /** How it stands. */
  readonly activity = new FolderActivity(this.monitor)
  /** What was asked for besides following the folder. */
  protected readonly tasks = new Tasks()
  #gone: Traffic = { received: 0, sent: 0 }
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #folder: Folder | undefined
  #accompany: Attach | undefined
  #companion: Attachment | undefined
  #shutting: Promise<void> | undefined
  #recovering: Promise<void> | undefined
  #announced = false
  /** What stands in the way, and was told of. */
  #reported: string | undefined
  #limits: Limits | undefined
  readonly #stop = new AbortController()
  readonly #spaceWait = new SpaceWait()
  #connections: Connections | undefined
  #reconnect: () => Promise<void> = async () => {}
  #pauseGate: PauseGate | undefined
  readonly #broken: Promise<never>
  #break: (error: unknown) => void = () => {}

  constructor() {
    this.#broken = new Promise((_, reject) => {
      this.#break = reject
    })
    this.#broken.catch(() => {}) // Who doesn't ask has the event.
    this.subscribe(({ type }) => {
      if ((type === 'in-sync' || type === 'up-to-date') && this.#reported !== undefined) this.#recovered()
    })
  }

  /** The folder's key, in printed form. @throws {SyncError} NOT_READY before `ready()` */
  abstract get key(): string

  /** The same, or `undefined` before it is known. */
  protected abstract get knownKey(): string | undefined

  /** Takes the directory, until the handle is closed. */
  protected abstract claim(): Folder
  /** Opens all that works on the folder. */
  protected abstract open(folder: Folder): Promise<void>
  /** Closes whatever `open` has opened, perhaps not all; it may be opened again after it. */
  protected abstract shut(): Promise<void>

  /** What follows the folder or its log, while it is open. */
  protected abstract get loop(): Loop | undefined

  /** What reads the log, while it is open. */
  protected abstract get openSource(): LogSource | undefined

  /** What the operations that read the log are carried out on. @throws {SyncError} NOT_READY */
  get source(): LogSource {
    const source = this.openSource
    if (source === undefined) throw notReady()
    return source
  }

  /** Frees some of a full disk, with all closed. @returns whether that may do, and it is worth another try */
  protected makeRoom(_folder: Folder): boolean {
    return false
  }
  /** What is open and may give up old contents. */
  protected abstract collectable(folder: Folder): Promise<Collectable>

  /** What its owner can do when the store is damaged. */
  protected abstract readonly advice: string

  /** The folder as it is open now, to be checked and mended. @throws {SyncError} NOT_READY */
  protected abstract verifyHost(): VerifyHost

  /** Whether it is open without being followed: what is damaged is no reason to end then. */
  protected abstract readonly isIdle: boolean

  /**
   * Compares what is on disk with the signed log, and mends it where that is asked for; it may be followed meanwhile.
   * What is damaged is told as it is found; the last event sums it up.
   *
   * @throws {SyncError} NOT_READY, USAGE, HALTED; the signal's reason
   */
  verify(options: VerifyOptions = {}): AsyncGenerator<VerifyEvent> {
    return verify(() => this.verifyHost(), options)
  }

  /** Rejects when the work can't go on at all, as when its store is damaged; an `error` event has said so. */
  broken(): Promise<never> {
    return this.#broken
  }

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

  /** Has something start when the directory is claimed, and be closed with the folder. To be called before `ready`. */
  attach(start: Attach): void {
    this.#accompany = start
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
    const onClose = (end: () => void) => {
      if (this.#closed) end()
      else this.#atClose.add(end)
    }
    return eventsOf((listener) => this.subscribe(listener), onClose)
  }

  readonly #atClose = new Set<() => void>()
  #closed = false

  /** What is wrong with single paths at the moment. */
  get problems(): readonly Problem[] {
    return this.monitor.problems
  }

  /** How many peers are connected. */
  get peers(): number {
    return this.connections.length
  }

  /** The connected peers, and how. */
  get connections(): readonly PeerStatus[] {
    return this.#connections?.peers ?? []
  }

  /** Bytes received and sent since the start. */
  get traffic(): Traffic {
    const { received, sent } = this.#connections?.traffic ?? { received: 0, sent: 0 }
    return { received: this.#gone.received + received, sent: this.#gone.sent + sent }
  }

  /** Why there is no peer, in a sentence for people. */
  get whyNoPeers(): string {
    return this.#connections?.whyAlone ?? 'It is not connected to any network.'
  }

  /** Changes how many bytes per second may go to and come from all peers together. */
  limit(limits: Limits): void {
    this.#limits = limits
    this.#connections?.limit(limits)
  }

  /** The version that the folder holds, to the last path or but for what was told; `undefined` before the first. */
  abstract get holds(): number | undefined
  /** The newest version that is known of, here or at a connected peer. */
  protected abstract get newest(): number | undefined
  /** Large files that were replaced or removed, and whose contents are still here, the oldest first. */
  abstract get kept(): readonly KeptContent[]
  /** What is recorded of the folder. */
  protected abstract get totals(): Readonly<Totals> | undefined
  protected abstract get role(): 'writer' | 'reader'

  /** How it stands. @throws {SyncError} NOT_READY */
  status(): StatusRecord {
    if (this.#folder === undefined) throw notReady()
    const { activity: account, role, holds, newest, totals, problems, kept, connections, whyNoPeers: whyAlone } = this
    const { root, home, marker } = this.#folder
    const key = marker.key ?? this.knownKey
    const facts = { role, root, home, key, holds, newest, totals, problems, kept, connections, whyAlone }
    return folderStatus(account, facts)
  }

  /** Whether it was told to rest: it neither looks for peers nor touches the folder, and can be read all the same. */
  get isPaused(): boolean {
    return this.#pauseGate?.isOn === true
  }

  /** Has it rest, after what it is doing, until it is told to go on; also when it is started again. @throws {SyncError} NOT_READY */
  async pause(): Promise<void> {
    this.#openPauseGate().begin(this.loop?.queue)
    await this.disconnect()
  }

  /** Has it go on. @throws {SyncError} NOT_READY */
  async resume(): Promise<void> {
    if (this.#openPauseGate().end()) await this.#reconnect()
  }

  #openPauseGate(): PauseGate {
    if (this.#pauseGate === undefined) throw notReady()
    return this.#pauseGate
  }

  /** To be called before the folder's loop takes its first turn: it rests where it was told to. */
  protected pauseIfStored(): void {
    this.#pauseGate?.holdIfPaused(this.loop?.queue)
  }

  /** Lets go of the turn that is held meanwhile, so that the loop can end. */
  protected releasePause(): void {
    this.#pauseGate?.release()
  }

  /**
   * Forgets the contents of old versions and gives their disk space back, while the folder is at work. What happened when
   * stays known, and what the folder holds stays where it is.
   *
   * @throws {SyncError} NO_PEER where not all of the log is here; NOT_READY, DISK_FULL, DAMAGED, CLOSED
   */
  async collectGarbage(options: CollectOptions): Promise<Collected> {
    await this.ready()
    return this.tasks.run(options.signal, async (signal) =>
      collectGarbage(await this.collectable(this.#folder as Folder), options, signal)
    )
  }

  /** The folder as it was claimed. */
  protected get folder(): Folder | undefined {
    return this.#folder
  }

  /**
   * Does something with the folder that its loop isn't to meet; what is asked for ends before the folder is closed.
   *
   * @throws {SyncError} NOT_READY, CLOSED, and whatever `act` throws
   */
  async inTurn<T>(signal: AbortSignal, act: (workspace: Workspace, signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.ready()
    const { loop } = this
    if (loop === undefined) throw notReady()
    return this.tasks.run(signal, (ended) => loop.queue.run(async () => act(await loop.workspace(), ended)))
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

  /** Goes looking for peers that know the secret, and replicates with each. @throws {SyncError} PORT_IN_USE */
  protected async connect(store: LogStore, options: ConnectionsOptions & ConnectOptions): Promise<void> {
    this.#reconnect = () => this.connect(store, options)
    if (this.isPaused) return
    this.#limits ??= options.limits ?? {}
    this.#connections = new Connections(this.monitor, store, {
      ...options,
      limits: this.#limits,
      onFailure: (error) => void this.onFailure(error)
    })
    await this.#connections.start()
  }

  protected async disconnect(): Promise<void> {
    const connections = this.#connections
    if (connections === undefined) return
    this.#gone = this.traffic
    // It may be opened again, with what counted last.
    this.#limits = connections.limits ?? this.#limits
    this.#connections = undefined
    await connections.close()
  }

  protected announce(role: 'writer' | 'reader'): void {
    if (this.#announced) return
    this.#announced = true
    this.monitor.emit({ type: 'ready', role, key: this.key, folder: this.#folder?.root ?? '' })
  }

  protected async openState(directory: string): Promise<State> {
    const onLost = () => {
      const message = `What was remembered in ${directory} was damaged and is made anew: all is looked at again`
      this.monitor.emit({ type: 'notice', message })
    }
    return await State.open(directory, onLost)
  }

  /**
   * Takes what a loop or the log has run into. A full disk, and a database that can't be used, can't be mended
   * by trying again: the storage engine stays closed to writes until it is opened anew.
   *
   * @returns whether all is being closed for it
   */
  readonly onFailure = (error: unknown): boolean => {
    const failure = this.#failureOf(error)
    if (failure === undefined) return false
    if (this.isIdle && failure.code === 'DAMAGED') return true
    if (this.#closing === undefined) {
      this.#recovering ??= this.#recover(failure).finally(() => {
        this.#recovering = undefined
      })
    }
    return true
  }

  /** Closes all that works on the folder, does something, and opens it again. */
  protected async reopen(between: (folder: Folder) => void): Promise<void> {
    await this.#recovering
    const folder = this.#folder as Folder
    const reopening = (async () => {
      // What is damaged may fail to close, and is what this is for.
      await this.shut().catch(() => {})
      between(folder)
      await this.open(folder)
    })()
    this.#recovering = reopening
      .catch(() => {})
      .finally(() => {
        this.#recovering = undefined
      })
    await reopening
  }

  #failureOf(error: unknown): SyncError | undefined {
    if (error instanceof DatabaseFailure) return error
    if (error instanceof SyncError) return error.code === 'DISK_FULL' ? error : undefined
    return databaseFailure('store', this.#folder?.store ?? 'the folder', error)
  }

  async #recover(failure: SyncError): Promise<void> {
    const folder = this.#folder as Folder
    const { signal } = this.#stop
    for (let reason: SyncError | undefined = failure; reason !== undefined; ) {
      const isState = reason instanceof DatabaseFailure && reason.database === 'state'
      if (reason.code !== 'DISK_FULL' && !isState) return this.#fail(reason)
      await this.shut().catch(() => {})
      if (reason.code === 'DISK_FULL') {
        if (!this.makeRoom(folder)) await this.#awaitSpace(folder)
      } else {
        // It can be had again, by looking at everything.
        State.discard(folder.state)
        this.monitor.emit({ type: 'notice', message: `${reason.message}. It is made anew: all is looked at again` })
        await sleep(reopenMs, undefined, { signal }).catch(() => {})
      }
      if (signal.aborted) return
      reason = await this.open(folder).then(
        () => undefined,
        (error: unknown) => this.#failureOf(error) ?? this.#unexpected(error)
      )
    }
  }

  async #awaitSpace(folder: Folder): Promise<void> {
    this.#reportOnce(new SyncError('DISK_FULL', this.#spaceWait.describe(folder)))
    await this.#spaceWait.until(folder, this.#stop.signal)
  }

  #advised(error: SyncError): SyncError {
    if (!(error instanceof DatabaseFailure) || error.code !== 'DAMAGED' || error.database !== 'store') return error
    return new SyncError('DAMAGED', `${error.message}. ${this.advice}`, { cause: error })
  }

  #unexpected(error: unknown): SyncError {
    return error instanceof SyncError ? error : new SyncError('DAMAGED', String(error), { cause: error })
  }

  /** Ends all, for good. */
  async #fail(error: SyncError): Promise<void> {
    const advised = this.#advised(error)
    this.monitor.error(advised)
    await this.shut().catch(() => {})
    this.#break(advised)
  }

  #reportOnce(error: SyncError): void {
    if (this.#reported === error.code) return
    this.#reported = error.code
    this.monitor.error(error)
  }

  #recovered(): void {
    this.#reported = undefined
    this.#spaceWait.reset()
    this.monitor.emit({ type: 'notice', message: `Going on with ${this.#folder?.root}` })
  }

  async #open(): Promise<void> {
    try {
      this.#folder = this.claim()
      this.#pauseGate = new PauseGate(this.#folder.home, this.monitor)
      this.#companion = await this.#accompany?.(this.#folder)
      await this.#openFirst(this.#folder)
    } catch (error) {
      // What went wrong first is what counts.
      await this.#shutOnce().catch(() => {})
      throw error
    }
  }

  /** Whatever keeps it from being opened is told to whoever asked for it; but a state alone is no reason. */
  async #openFirst(folder: Folder): Promise<void> {
    try {
      await this.open(folder)
    } catch (error) {
      const failure = this.#failureOf(error)
      const isState = failure instanceof DatabaseFailure && failure.database === 'state'
      const isFull = failure?.code === 'DISK_FULL'
      if (!isFull && (!isState || failure.code !== 'DAMAGED')) {
        throw failure === undefined ? error : this.#advised(failure)
      }
      await this.shut().catch(() => {})
      if (isFull) {
        if (!this.makeRoom(folder)) throw this.#advised(failure)
        return this.#openFirst(folder)
      }
      State.discard(folder.state)
      await this.open(folder)
    }
  }

  #shutOnce(): Promise<void> {
    this.#shutting ??= runInOrder([() => this.#companion?.close(), () => this.shut()]).finally(() =>
      this.#folder?.lock.release()
    )
    return this.#shutting
  }

  async #close(): Promise<void> {
    const failed = await this.#opening?.then(
      () => false,
      () => true
    )
    this.#stop.abort()
    await this.#recovering
    try {
      if (failed) await this.#shutOnce().catch(() => {})
      else await this.#shutOnce()
    } finally {
      this.#closed = true
      for (const end of this.#atClose) end()
    }
  }
}

/** Closed, or being opened anew after a failure. */
export function notReady(): SyncError {
  return new SyncError('NOT_READY', 'The folder is not open yet, or not at the moment. Try again')
}
