import { type Collected, type CollectOptions, collectGarbage } from '../care/collect-garbage.ts'
import { verify } from '../care/verify.ts'
import type { VerifyEvent, VerifyOptions } from '../care/verify-events.ts'
import type { VerifyHost } from '../care/verify-host.ts'
import { overwrite } from '../change/overwrite.ts'
import { BlockHasher } from '../disk/threads/block-hasher.ts'
import { SyncError } from '../errors.ts'
import type { Folder } from '../folder/folder.ts'
import { FolderActivity } from '../folder/folder-activity.ts'
import { FolderEvents } from '../folder/folder-events.ts'
import { inPlaceBytes } from '../folder/in-place-options.ts'
import { Monitor, type SyncEvent } from '../folder/monitor.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import type { Workspace } from '../folder/workspace.ts'
import type { Limits, PeerStatus } from '../net/status.ts'
import type { Traffic } from '../peers/connections.ts'
import type { LogSource } from '../query/log-source.ts'
import { CloseOrder } from '../session/close-order.ts'
import { FolderNetwork } from '../session/folder-network.ts'
import { openSession, type SessionOptions } from '../session/open-session.ts'
import { Recovery } from '../session/recovery.ts'
import type { Session } from '../session/session.ts'
import type { Problem } from '../tree/tree.ts'
import type { CommonFolderOptions, OpenFolder } from './folder-api.ts'
import { folderStatus, type StatusRecord } from './status.ts'

/** Something that runs beside a folder, from the claim of its directory until it is closed. */
export interface Attachment {
  close(): Promise<void>
}

export type Attach = (handle: FolderHandle, folder: Folder) => Promise<Attachment>

/** What handles take that the public API doesn't offer. */
export interface InternalOptions {
  /** Only opens the folder, for single operations: no loop runs, and damage doesn't end it. */
  readonly idle?: boolean
  /** Starts something when the directory is claimed; it is closed with the folder. */
  readonly attach?: Attach
}

/** The directory that a handle has claimed. */
interface Claim {
  readonly folder: Folder
  readonly recovery: Recovery
}

/** A folder at work in this process: what the handles of `share` and `clone` have in common. */
export abstract class FolderHandle implements OpenFolder {
  readonly activity: FolderActivity
  protected readonly monitor = new Monitor()
  protected readonly events = new FolderEvents(this.monitor)
  protected readonly network: FolderNetwork
  protected readonly isIdle: boolean
  readonly #order = new CloseOrder(['attachment', 'session', 'lock'] as const)
  readonly #options: CommonFolderOptions & InternalOptions
  readonly #broken: Promise<never>
  readonly #onBroken: (failure: SyncError) => void
  #claim: Claim | undefined
  #session: Session | undefined
  /** Printed form; known from the first session on. */
  #key: string | undefined
  #isAnnounced = false
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: CommonFolderOptions & InternalOptions, key?: string) {
    this.#options = options
    this.#key = key
    this.isIdle = options.idle === true
    this.activity = new FolderActivity(this.monitor)
    this.network = new FolderNetwork({
      ...options,
      offline: options.offline === true,
      monitor: this.monitor,
      onFailure: (error) => void this.#claim?.recovery.onFailure(error)
    })
    let onBroken = (_: SyncError) => {}
    this.#broken = new Promise((_, reject) => {
      onBroken = reject
    })
    this.#onBroken = onBroken
    this.#broken.catch(() => {}) // An event tells whoever doesn't call `broken`.
    this.monitor.subscribe(({ type }) => {
      if (type === 'in-sync' || type === 'up-to-date') this.#claim?.recovery.caughtUp()
    })
  }

  /** Claims the directory; the handle releases it when it is closed. */
  protected abstract claim(): Folder

  /** What the sessions of this folder do. */
  protected abstract readonly sessionOptions: Pick<SessionOptions, 'publish' | 'follow' | 'isMoved'>

  /** What the folder's owner can do about a damaged store. */
  protected abstract readonly damageAdvice: string

  /** Frees space on the folder's full disk, while no session is open. @returns the bytes freed */
  protected abstract freeSpace(folder: Folder): number

  /** What a repair does to the session that it verified. */
  protected abstract readonly renewals: Pick<VerifyHost, 'rebuild' | 'renewState'>

  get key(): string {
    if (this.#key === undefined) throw new SyncError('NOT_READY', 'The key is known when the folder is ready')
    return this.#key
  }

  get problems(): readonly Problem[] {
    return this.monitor.problems
  }

  get peers(): number {
    return this.connections.length
  }

  get connections(): readonly PeerStatus[] {
    return this.network.peers
  }

  get traffic(): Traffic {
    return this.network.traffic
  }

  get whyNoPeers(): string {
    return this.network.whyNoPeers
  }

  get holds(): number | undefined {
    return this.#session?.loop.holds
  }

  get kept(): readonly KeptContent[] {
    return this.#session?.replacedFiles.kept ?? []
  }

  get isPaused(): boolean {
    return this.network.isPaused
  }

  ready(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new SyncError('CLOSED', 'This folder is closed'))
    this.#opening ??= this.#open()
    return this.#opening
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  broken(): Promise<never> {
    return this.#broken
  }

  subscribe(listener: (event: SyncEvent) => void): () => void {
    return this.events.subscribe(listener)
  }

  [Symbol.asyncIterator](): AsyncIterator<SyncEvent> {
    return this.events[Symbol.asyncIterator]()
  }

  status(): StatusRecord {
    const { root, home, marker } = this.claimed.folder
    const loop = this.#session?.loop
    return folderStatus(this.activity, {
      role: marker.role,
      key: marker.key ?? this.#key,
      root,
      home,
      holds: loop?.holds,
      newest: loop?.newest,
      totals: loop?.totals,
      problems: this.problems,
      kept: this.kept,
      connections: this.connections,
      whyNoPeers: this.whyNoPeers
    })
  }

  limit(limits: Limits): void {
    this.network.limit(limits)
  }

  async pause(): Promise<void> {
    if (!(await this.network.pause(this.#session?.queue))) throw notReady()
  }

  async resume(): Promise<void> {
    if (!(await this.network.resume())) throw notReady()
  }

  async collectGarbage(options: CollectOptions): Promise<Collected> {
    await this.ready()
    const session = this.openSession
    return session.tasks.run(options.signal, async (signal) => {
      const { folder, store, state, queue, blocks, loop } = session
      // It reads which files hold which blocks.
      await queue.run(() => loop.workspace())
      return collectGarbage(
        { folder, store, state, queue, isHeld: blocks.isHeld, ...loop.collectable },
        options,
        signal
      )
    })
  }

  verify(options: VerifyOptions = {}): AsyncGenerator<VerifyEvent> {
    return verify(() => this.verifyHost(), options)
  }

  /** The log, for operations that read it. @throws {SyncError} NOT_READY */
  get source(): LogSource {
    return this.openSession.source
  }

  /** Whether it is a mirror. */
  get isMirror(): boolean {
    return this.sessionOptions.follow !== undefined
  }

  /**
   * Runs an operation that changes the folder, between the passes of its loop; it ends before the folder is closed.
   *
   * @throws {SyncError} NOT_READY, CLOSED, and whatever `act` throws
   */
  async inTurn<T>(signal: AbortSignal, act: (workspace: Workspace, signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.ready()
    const { tasks, queue, loop } = this.openSession
    return tasks.run(signal, (either) => queue.run(async () => act(await loop.workspace(), either)))
  }

  /** @throws {SyncError} NOT_READY */
  protected get claimed(): Claim {
    if (this.#claim === undefined) throw notReady()
    return this.#claim
  }

  /** The session that is open now; `undefined` before the first, after the last, and while another is being opened. */
  protected get session(): Session | undefined {
    return this.#session
  }

  /** @throws {SyncError} NOT_READY */
  protected get openSession(): Session {
    if (this.#session === undefined) throw notReady()
    return this.#session
  }

  /** The session that is open now, to be verified and repaired. @throws {SyncError} NOT_READY */
  protected verifyHost(): VerifyHost {
    const { folder, store, state, workers, queue, loop } = this.openSession
    return {
      folder,
      store,
      state,
      workers,
      queue,
      hasher: new BlockHasher(workers),
      received: () => this.traffic.received,
      recorded: () => loop.recorded(),
      cores: () => loop.cores(),
      overwrite: (paths, options) => queue.run(async () => overwrite(paths, await loop.workspace(), options)),
      ...this.renewals
    }
  }

  async #open(): Promise<void> {
    try {
      const folder = this.claim()
      this.#order.add('lock', folder.lock, (it) => it.release())
      this.network.claim(folder.home)
      const recovery = this.#createRecovery(folder)
      this.#claim = { folder, recovery }
      const attachment = await this.#options.attach?.(this, folder)
      this.#order.add('attachment', attachment, (it) => it?.close())
      this.#order.add('session', undefined, () => this.#closeSession())
      await recovery.openFirst()
    } catch (error) {
      // The failure that came first is the one that counts.
      await this.#order.close().catch(() => {})
      throw error
    }
  }

  #createRecovery(folder: Folder): Recovery {
    return new Recovery({
      folder,
      monitor: this.monitor,
      advice: this.damageAdvice,
      isIdle: this.isIdle,
      open: () => this.#openSession(folder),
      close: () => this.#closeSession(),
      freeSpace: () => this.freeSpace(folder),
      onGivenUp: this.#onBroken
    })
  }

  async #openSession(folder: Folder): Promise<void> {
    const session = await openSession(folder, {
      ...this.sessionOptions,
      monitor: this.monitor,
      network: this.network,
      onFailure: (error) => this.claimed.recovery.onFailure(error),
      inPlaceAbove: inPlaceBytes(this.#options.inPlaceAbove),
      isIdle: this.isIdle
    })
    this.#session = session
    this.#key = session.key
    this.#announce(folder)
    this.network.holdIfPaused(session.queue)
    if (!this.isIdle) session.loop.start()
  }

  /** Tells once that the folder is open, before its loop tells anything. */
  #announce({ root, marker }: Folder): void {
    if (this.#isAnnounced) return
    this.#isAnnounced = true
    this.monitor.emit({ type: 'ready', role: marker.role, key: this.key, folder: root })
  }

  async #closeSession(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  async #close(): Promise<void> {
    const isOpen = await this.#opening?.then(
      () => true,
      () => false
    )
    await this.#claim?.recovery.stop()
    try {
      await this.#order.close()
    } catch (error) {
      // Whoever opened it has the failure that counts.
      if (isOpen !== false) throw error
    } finally {
      this.events.end()
    }
  }
}

/** No session is open: not yet, not any more, or not while another is being opened after a failure. */
export function notReady(): SyncError {
  return new SyncError('NOT_READY', 'The folder is not open yet, or not at the moment. Try again')
}
