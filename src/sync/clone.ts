import { BlockHasher } from '../disk/block-hasher.ts'
import { setAside, takeBack } from '../disk/set-aside.ts'
import { State } from '../disk/state.ts'
import { Workers } from '../disk/workers.ts'
import { LogReader } from '../log/reader.ts'
import { type LogStore, parseKey, printKey } from '../log/store.ts'
import { BlockHolders } from './block-holders.ts'
import type { ConnectOptions } from './connections.ts'
import { type Folder, openFolder } from './folder.ts'
import { FolderHandle, inTurn, notReady, untilAborted } from './handle.ts'
import { type InPlaceOptions, inPlaceBytes } from './in-place-options.ts'
import { Mirror } from './mirror.ts'
import { openStore } from './open-store.ts'
import type { Patience } from './patience.ts'
import type { Findings, VerifyEvent } from './verify-events.ts'
import type { VerifyHost } from './verify-host.ts'
import { mirrorHost } from './verify-hosts.ts'
import { type MendOptions, mend as mendFound } from './verify-repair.ts'

export interface CloneOptions extends ConnectOptions, InPlaceOptions {
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /** Takes a directory that isn't empty: files that match are kept, others stay as the user's own. */
  readonly adopt?: boolean
  /** Refuses symlinks whose target is absolute or could lead out of the folder; a link that is there already stays. */
  readonly safeLinks?: boolean
  /** Sets the log aside and fetches it anew, as when it is damaged; files that match are kept. */
  readonly rebuild?: boolean
  /** Looks for no peers. */
  readonly offline?: boolean
  /** Only opens it: nothing of the log is applied. For `verify`. */
  readonly still?: boolean
}

/** A folder that follows one published elsewhere. */
export class ClonedFolder extends FolderHandle {
  readonly #key: Uint8Array
  readonly #directory: string
  readonly #options: CloneOptions
  #forgetLog = false
  #setAsideAs: string | undefined
  #store: LogStore | undefined
  #blocks: BlockHolders | undefined
  #workers: Workers | undefined
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

  protected override get advice(): string {
    return 'The files are untouched. Give --rebuild to fetch the log anew from its peers; files that match are kept'
  }

  /** Resolves when the folder holds the newest version that its connected peers have, after the call. */
  inSync(): Promise<void> {
    return this.next((event) => event.type === 'in-sync')
  }

  protected override get isStill(): boolean {
    return this.#options.still === true
  }

  protected override verifyHost(): VerifyHost {
    const [store, state, mirror, reader] = [this.#store, this.#state, this.#mirror, this.#reader]
    const [folder, workers] = [this.folder, this.#workers]
    if (!store || !state || !mirror || !reader || !folder || !workers) throw notReady()
    return mirrorHost(
      {
        ...{ folder, store, state, workers },
        hasher: new BlockHasher(workers),
        received: () => this.traffic.received,
        rebuild: (patience) => this.#rebuild(patience),
        renewState: async (patience) => {
          await this.reopen(({ state }) => State.discard(state))
          await this.followOnce(patience)
        }
      },
      mirror,
      reader
    )
  }

  /** Mends what was found damaged. Throws as `verify` does. */
  mend(findings: Findings, options: MendOptions): AsyncGenerator<VerifyEvent> {
    return mendFound(() => this.verifyHost(), findings, options)
  }

  /** Fetches the log anew; when nobody has it, the old one comes back. @returns why not, in words */
  async #rebuild(patience: Patience): Promise<string | undefined> {
    if (this.#options.offline) return 'It is made anew from peers'
    let keptAs: string | undefined
    await this.reopen(({ store }) => {
      keptAs = setAside(store)
      this.#forgetLog = true
    })
    try {
      await this.followOnce(patience)
      this.monitor.emit({ type: 'notice', message: fetchedAnew(keptAs ?? '') })
      return undefined
    } catch (error) {
      if (!patience.signal.aborted) throw error
      await this.reopen(({ store }) => takeBack(keptAs, store))
      return 'No peer was found that has the log'
    }
  }

  /** Follows the log until the folder is in sync. @throws the reason when patience comes to an end */
  async followOnce(patience: Patience): Promise<void> {
    const inSync = this.inSync()
    inSync.catch(() => {}) // Closed first.
    const unsubscribe = this.subscribe(patience.active)
    try {
      await this.ready()
      if (this.isStill) this.#mirror?.start()
      await untilAborted(inSync, patience.signal)
    } finally {
      unsubscribe()
    }
  }

  /** Undoes `rebuild`, once it is closed. */
  takeBack(): void {
    if (this.folder !== undefined) takeBack(this.#setAsideAs, this.folder.store)
  }

  protected override claim(): Folder {
    const { state, adopt, rebuild } = this.#options
    const folder = openFolder(this.#directory, { role: 'reader', key: this.key, state, adopt })
    if (rebuild !== true) return folder
    const keptAs = setAside(folder.store)
    if (keptAs === undefined) return folder
    this.#setAsideAs = keptAs
    // Versions are counted by the log: what is known of the folder stays, what is known of the log doesn't.
    this.#forgetLog = true
    this.monitor.emit({ type: 'notice', message: fetchedAnew(keptAs) })
    return folder
  }

  protected override async open(folder: Folder): Promise<void> {
    const { key } = this
    const blocks = new BlockHolders(folder.root, { shared: true })
    this.#blocks = blocks
    const workers = new Workers()
    this.#workers = workers
    this.#store = await openStore(folder, 'one-of-many')
    this.#reader = await LogReader.open(this.#store, key, { files: blocks, hasher: new BlockHasher(workers) })
    const state = await this.openState(folder.state)
    this.#state = state
    if (this.#forgetLog) await state.commit((batch) => batch.forget('applied'))
    this.#forgetLog = false
    this.#mirror = new Mirror(folder, this.#reader, state, this.monitor, {
      received: () => this.traffic.received,
      onFailure: this.onFailure,
      safeLinks: this.#options.safeLinks ?? false,
      blocks,
      workers,
      inPlaceAbove: inPlaceBytes(this.#options.inPlaceAbove)
    })
    const { offline = false, still = false } = this.#options
    if (!offline) {
      await this.connect(this.#store, { ...this.#options, home: folder.home, secret: this.#key, sends: false })
    }
    this.announce('reader')
    if (!still) this.#mirror.start()
  }

  protected override async shut(): Promise<void> {
    const [mirror, reader, state, store] = [this.#mirror, this.#reader, this.#state, this.#store]
    this.#mirror = undefined
    this.#reader = undefined
    this.#state = undefined
    this.#store = undefined
    this.#blocks?.close()
    const workers = this.#workers
    await inTurn([
      () => mirror?.close(),
      () => this.disconnect(),
      () => reader?.close(),
      () => workers?.close(),
      () => state?.close(),
      () => store?.flush(),
      () => store?.close()
    ])
  }
}

function fetchedAnew(keptAs: string): string {
  return `The log is fetched anew; the old one was set aside as ${keptAs}. Remove it when all is well`
}
