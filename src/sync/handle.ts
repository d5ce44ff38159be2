import { setTimeout as sleep } from 'node:timers/promises'
import { isPaused, setPaused } from '../disk/pause-file.ts'
import { State } from '../disk/state.ts'
import { DatabaseFailure, databaseFailure, SyncError } from '../errors.ts'
import type { LogStore } from '../log/store.ts'
import type { Limits, PeerStatus } from '../net/status.ts'
import type { Problem } from '../tree/tree.ts'
import { Account } from './account.ts'
import { Connections, type ConnectionsOptions, type ConnectOptions, type Traffic } from './connections.ts'
import type { Folder } from './folder.ts'
import { Monitor, type SyncEvent } from './monitor.ts'
import type { Source } from './operations/source.ts'
import { SpaceWait } from './space-wait.ts'
import { diskOf, peerRecord, type StatusRecord, workOf } from './status.ts'
import type { Totals } from './totals.ts'
import type { Turns } from './turns.ts'

/** Events kept for an iteration that is slower than what happens. */
const queuedEventsMax = 10_000

/** Before a state is made anew, in milliseconds: a disk that breaks whatever is written mustn't keep us busy. */
const reopenMs = 1000

/** What lasts as long as a folder is at work. */
export interface Companion {
  close(): Promise<void>
}

type Accompany = (folder: Folder) => Promise<Companion>

/** A folder at work in this process: what `share` and `clone` have in common. */
export abstract class FolderHandle implements AsyncIterable<SyncEvent> {
  protected readonly monitor = new Monitor()
  /** How it stands. */
  readonly account = new Account(this.monitor)
  #gone: Traffic = { received: 0, sent: 0 }
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #folder: Folder | undefined
  #accompany: Accompany | undefined
  #companion: Companion | undefined
  #shutting: Promise<void> | undefined
  #healing: Promise<void> | undefined
  #announced = false
  /** What stands in the way, and was told of. */
  #told: string | undefined
  #limits: Limits | undefined
  readonly #stop = new AbortController()
  readonly #spaceWait = new SpaceWait()
  #connections: Connections | undefined
  #reconnect: () => Promise<void> = async () => {}
  /** Ends the turn that is held while the folder is paused. */
  #unpause: (() => void) | undefined
  readonly #broken: Promise<never>
  #break: (error: unknown) => void = () => {}

  constructor() {
    this.#broken = new Promise((_, reject) => {
      this.#break = reject
    })
    this.#broken.catch(() => {}) // Who doesn't ask has the event.
    this.subscribe(({ type }) => {
      if ((type === 'in-sync' || type === 'up-to-date') && this.#told !== undefined) this.#recovered()
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

  /** In which whoever works on the folder takes turns, while it is open. */
  protected abstract get turns(): Turns | undefined

  /** What reads the log, while it is open. */
  protected abstract get openSource(): Source | undefined

  /** What the operations that read the log are carried out on. @throws {SyncError} NOT_READY */
  get source(): Source {
    const source = this.openSource
    if (source === undefined) throw new SyncError('NOT_READY', 'The folder is not open yet, or not at the moment')
    return source
  }

  /** What its owner can do when the store is damaged. */
  protected abstract readonly advice: string

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
  accompany(start: Accompany): void {
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
  get whyAlone(): string {
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
  /** What is recorded of the folder. */
  protected abstract get totals(): Readonly<Totals> | undefined
  protected abstract get role(): 'writer' | 'reader'

  /** How it stands. @throws {SyncError} NOT_READY */
  status(): StatusRecord {
    const folder = this.#folder
    if (folder === undefined) throw new SyncError('NOT_READY', 'The folder is not open yet')
    const { account } = this
    const [version, newest] = [this.holds, this.newest]
    const { files = 0, bytes = 0 } = this.totals ?? {}
    const reason = account.isDone ? undefined : this.#reason()
    return {
      type: 'status',
      role: this.role,
      key: folder.marker.key ?? this.knownKey,
      folder: folder.root,
      state: account.state,
      pid: process.pid,
      ...(version === undefined ? {} : { version }),
      ...(newest === undefined ? {} : { newest }),
      ...workOf(account),
      files,
      bytes,
      ...(reason === undefined ? {} : { reason }),
      diverged: [...account.diverged.values()].map(({ path, kind }) => ({ path, kind })),
      conflicts: [...account.conflicts.values()].map(({ path, keptAs, timeMs }) => ({ path, keptAs, timeMs })),
      problems: this.problems,
      peers: this.connections.map((peer) => peerRecord(peer, account)),
      disk: diskOf(folder.home),
      ...(account.durableMs === undefined ? {} : { durableMs: account.durableMs })
    }
  }

  /** Why not all is done, in a sentence for people. */
  #reason(): string {
    const { state, error, progress } = this.account
    if (state === 'paused') return 'It is paused. p2psync resume has it go on.'
    if (error !== undefined) return error.message
    if (this.role === 'reader' && this.peers === 0) return `No peers: ${this.whyAlone}`
    if (progress?.phase === 'fetch') return 'It is being fetched.'
    return this.role === 'writer' ? 'The folder is being looked at.' : 'The log is being fetched.'
  }

  /** Whether it was told to rest: it neither looks for peers nor touches the folder, and can be read all the same. */
  get isPaused(): boolean {
    return this.#folder !== undefined && isPaused(this.#folder.home)
  }

  /** Has it rest, after what it is doing, until it is told to go on; also when it is started again. */
  async pause(): Promise<void> {
    if (this.#folder === undefined) throw new SyncError('NOT_READY', 'The folder is not open yet')
    setPaused(this.#folder.home, true)
    this.rest()
    await this.disconnect()
  }

  /** Has it go on. */
  async resume(): Promise<void> {
    if (this.#folder === undefined) throw new SyncError('NOT_READY', 'The folder is not open yet')
    setPaused(this.#folder.home, false)
    if (this.#unpause === undefined) return
    this.#unpause()
    this.#unpause = undefined
    await this.#reconnect()
    this.monitor.emit({ type: 'paused', paused: false })
  }

  /** Holds a turn while the folder is paused; to be called before its loop takes the first. */
  protected rest(): void {
    if (!this.isPaused || this.#unpause !== undefined) return
    const held = new Promise<void>((resolve) => {
      this.#unpause = resolve
    })
    void this.turns?.run(() => held)
    this.monitor.emit({ type: 'paused', paused: true })
  }

  /** Lets go of the turn that is held, so that the loop can end. */
  protected unrest(): void {
    this.#unpause?.()
    this.#unpause = undefined
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
    if (this.#closing === undefined) {
      this.#healing ??= this.#heal(failure).finally(() => {
        this.#healing = undefined
      })
    }
    return true
  }

  #failureOf(error: unknown): SyncError | undefined {
    if (error instanceof DatabaseFailure) return error
    if (error instanceof SyncError) return error.code === 'DISK_FULL' ? error : undefined
    return databaseFailure('store', this.#folder?.store ?? 'the folder', error)
  }

  async #heal(failure: SyncError): Promise<void> {
    const folder = this.#folder as Folder
    const { signal } = this.#stop
    for (let reason: SyncError | undefined = failure; reason !== undefined; ) {
      const isState = reason instanceof DatabaseFailure && reason.database === 'state'
      if (reason.code !== 'DISK_FULL' && !isState) return this.#fail(reason)
      await this.shut().catch(() => {})
      if (reason.code === 'DISK_FULL') {
        this.#tell(new SyncError('DISK_FULL', this.#spaceWait.describe(folder)))
        await this.#spaceWait.until(folder, signal)
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

  #tell(error: SyncError): void {
    if (this.#told === error.code) return
    this.#told = error.code
    this.monitor.error(error)
  }

  #recovered(): void {
    this.#told = undefined
    this.#spaceWait.reset()
    this.monitor.emit({ type: 'notice', message: `Going on with ${this.#folder?.root}` })
  }

  async #open(): Promise<void> {
    try {
      this.#folder = this.claim()
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
      if (!isState || failure.code !== 'DAMAGED') throw failure === undefined ? error : this.#advised(failure)
      await this.shut().catch(() => {})
      State.discard(folder.state)
      await this.open(folder)
    }
  }

  #shutOnce(): Promise<void> {
    this.#shutting ??= inTurn([() => this.#companion?.close(), () => this.shut()]).finally(() =>
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
    await this.#healing
    try {
      if (failed) await this.#shutOnce().catch(() => {})
      else await this.#shutOnce()
    } finally {
      this.#closed = true
      for (const end of this.#atClose) end()
    }
  }
}

/** Does one after the other, also after one that fails; then throws what the first has thrown. */
export async function inTurn(acts: readonly (() => Promise<void> | undefined)[]): Promise<void> {
  const failures: unknown[] = []
  for (const act of acts) {
    try {
      await act()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
