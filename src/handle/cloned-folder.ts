import { dirname } from 'node:path'
import { BlockHolders } from '../baseline/block-holders.ts'
import type { Totals } from '../baseline/totals.ts'
import type { Collectable } from '../care/collect-garbage.ts'
import type { Findings, VerifyEvent } from '../care/verify-events.ts'
import type { VerifyHost } from '../care/verify-host.ts'
import { type RepairOptions, repairDamage } from '../care/verify-repair.ts'
import { setAside, takeBack } from '../disk/path/set-aside.ts'
import { freeBytes } from '../disk/path/space.ts'
import { PathIndexFile } from '../disk/state/index-file.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import { State } from '../disk/state/state.ts'
import { BlockHasher } from '../disk/threads/block-hasher.ts'
import { Workers } from '../disk/threads/workers.ts'
import { removeOldest } from '../disk/write/kept-directory.ts'
import { SyncError } from '../errors.ts'
import { type Folder, openFolder } from '../folder/folder.ts'
import type { IdleTimeout } from '../folder/idle-timeout.ts'
import { type InPlaceOptions, inPlaceBytes } from '../folder/in-place-options.ts'
import type { Loop } from '../folder/loop.ts'
import { openStore } from '../folder/open-store.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import { retentionIn } from '../folder/replaced-retention.ts'
import { runInOrder, untilAborted } from '../folder/run-in-order.ts'
import { type LogStore, parseKey, printKey } from '../log/hypercore/store.ts'
import { LogReader } from '../log/reader.ts'
import { type Selected, type SelectOptions, selectIn, selectionChange } from '../mirror/change-selection.ts'
import { Mirror } from '../mirror/mirror.ts'
import { MirrorSelection } from '../mirror/mirror-selection.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import { Indexing } from '../query/indexing.ts'
import type { LogSource } from '../query/log-source.ts'
import { firstCore } from '../tree/block-ref.ts'
import { FolderHandle, notReady } from './folder-handle.ts'
import { mirrorHost } from './verify-hosts.ts'

export interface CloneOptions extends ConnectOptions, InPlaceOptions {
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /** Takes a directory that isn't empty: files that match are kept, others stay as the user's own. */
  readonly adopt?: boolean
  /** Refuses symlinks whose target is absolute or could lead out of the folder; a link that is there already stays. */
  readonly safeLinks?: boolean
  /** Only what one of these patterns matches, in the syntax of `.gitignore`; stored with the mirror. */
  readonly only?: readonly string[]
  /** Nothing that one of these matches. */
  readonly exclude?: readonly string[]
  /** Keeps it at this version: a number, `-1` for the one before the newest, a time or an age; stored with the mirror. */
  readonly version?: string
  /** Sets the log aside and fetches it anew, as when it is damaged; files that match are kept. */
  readonly rebuild?: boolean
  /**
   * How long, and up to how much, the contents of files above `inPlaceAbove` are kept when the log replaces or removes
   * them; stored with the mirror. It counts for all that is kept: what was to be kept longer goes.
   */
  readonly keepReplaced?: KeepReplaced
  /** Refuses a directory that isn't a mirror yet. */
  readonly existing?: boolean
  /** Looks for no peers. */
  readonly offline?: boolean
  /** Only opens it: nothing of the log is applied unless it is asked for. */
  readonly still?: boolean
}

/** Who asks for a content that no peer sends doesn't wait longer, in milliseconds. */
const patienceMs = 5000
/** Of a full disk so much is freed at once, of what is kept: the databases need room to be opened. */
const roomBytesMin = 64 * 1024 * 1024
/** By so much two looks at what is free of one disk may differ: others write to it meanwhile. */
const sameDiskBytes = 16 * 1024 * 1024

/** A folder that follows one published elsewhere. */
export class ClonedFolder extends FolderHandle {
  readonly #key: Uint8Array
  readonly #directory: string
  readonly #options: CloneOptions
  #forgetLog = false
  #roomBytes = roomBytesMin
  /** What it was told to hold when it was made, until that is stored. */
  #selection: SelectOptions | undefined
  #aim: MirrorSelection | undefined
  #home: string | undefined
  #setAsideAs: string | undefined
  #store: LogStore | undefined
  #blocks: BlockHolders | undefined
  #workers: Workers | undefined
  #reader: LogReader | undefined
  #state: State | undefined
  #mirror: Mirror | undefined
  #source: LogSource | undefined
  #indexing: Indexing | undefined

  /** @throws {SyncError} BAD_KEY, USAGE */
  constructor(key: string, directory: string, options: CloneOptions) {
    super()
    this.#key = parseKey(key)
    this.#directory = directory
    this.#options = options
    this.subscribe(({ type }) => {
      if (type === 'in-sync') this.#roomBytes = roomBytesMin
    })
    const { only, exclude, version } = options
    const selection = {
      ...(only === undefined ? {} : { only }),
      ...(exclude === undefined ? {} : { exclude }),
      ...(version === undefined ? {} : { version })
    }
    if (selectionChange(selection) !== undefined) this.#selection = selection
  }

  override get key(): string {
    return printKey(this.#key)
  }

  protected override get knownKey(): string {
    return this.key
  }

  protected override get advice(): string {
    return 'The files are untouched. Give --rebuild to fetch the log anew from its peers; files that match are kept'
  }

  /** Resolves when the folder holds the newest version that its connected peers have, after the call. */
  inSync(): Promise<void> {
    return this.next((event) => event.type === 'in-sync')
  }

  protected override get role() {
    return 'reader' as const
  }

  override get holds(): number | undefined {
    return this.#mirror?.stand.applied?.length
  }

  protected override get totals(): Readonly<Totals> | undefined {
    return this.#mirror?.stand.totals
  }

  protected override get newest(): number | undefined {
    return this.#reader?.claimed?.length
  }

  protected override get loop(): Loop | undefined {
    return this.#mirror
  }

  protected override get openSource(): LogSource | undefined {
    return this.#source
  }

  override get kept(): readonly KeptContent[] {
    return this.#mirror?.replacedFiles.kept ?? []
  }

  /** What was kept goes before work stops: more each time until all is done. */
  protected override makeRoom({ root, store }: Folder): boolean {
    // On the disk of log and state nothing is kept, if it is another one.
    if (freeBytes(root) > freeBytes(dirname(store)) + sameDiskBytes) return false
    const removed = removeOldest(root, this.#roomBytes)
    this.#roomBytes *= 2
    if (removed === 0) return false
    const message = `The disk is full: ${Math.ceil(removed / 1e6)} MB of what was kept of replaced files went early`
    this.monitor.emit({ type: 'notice', message })
    return true
  }

  /**
   * Changes which part of the folder it holds, and of which version; without any option it only tells.
   *
   * @throws {SyncError} USAGE, NOT_READY, FOLDER_FORMAT, LOCKED
   */
  async select(options: SelectOptions = {}): Promise<Selected> {
    if (this.#home === undefined) throw new SyncError('NOT_READY', 'This folder is not open')
    const selected = await selectIn(this.#home, options)
    this.#aim?.look()
    return selected
  }

  protected override get isIdle(): boolean {
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
  repair(findings: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
    return repairDamage(() => this.verifyHost(), findings, options)
  }

  /** Fetches the log anew; when nobody has it, the old one comes back. @returns why not, in words */
  async #rebuild(patience: IdleTimeout): Promise<string | undefined> {
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
  async followOnce(patience: IdleTimeout): Promise<void> {
    const inSync = this.inSync()
    inSync.catch(() => {}) // Closed first.
    const unsubscribe = this.subscribe(patience.active)
    try {
      await this.ready()
      if (this.isIdle) this.#mirror?.start()
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
    const { state, adopt, rebuild, existing } = this.#options
    const folder = openFolder(this.#directory, { role: 'reader', key: this.key, state, adopt, existing })
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
    const reader = await LogReader.open(this.#store, key, { files: blocks, hasher: new BlockHasher(workers) })
    this.#reader = reader
    const state = await this.openState(folder.state)
    this.#state = state
    reader.packsInUse = () => packsIn(state)
    this.#home = folder.home
    if (this.#selection !== undefined) await selectIn(folder.home, this.#selection)
    this.#selection = undefined
    const onNotice = (message: string) => this.monitor.emit({ type: 'notice', message })
    this.#aim = await MirrorSelection.open({ home: folder.home, state, onNotice })
    if (this.#forgetLog) await state.commit((batch) => batch.forget('applied'))
    this.#forgetLog = false
    this.#mirror = new Mirror(folder, reader, state, this.monitor, {
      received: () => this.traffic.received,
      onFailure: this.onFailure,
      safeLinks: this.#options.safeLinks ?? false,
      blocks,
      workers,
      inPlaceAbove: inPlaceBytes(this.#options.inPlaceAbove),
      keepReplaced: retentionIn(folder.home, this.#options.keepReplaced, onNotice),
      selection: this.#aim
    })
    const { offline = false, still = false } = this.#options
    if (!offline) {
      await this.connect(this.#store, { ...this.#options, home: folder.home, secret: this.#key, sends: false })
    }
    this.#source = {
      key,
      root: folder.root,
      view: reader.view(
        { received: () => this.traffic.received, patienceMs },
        { alonePatienceMs: patienceMs, index: new PathIndexFile(folder.home) }
      ),
      records: () => state.records(),
      settled: async () => {},
      onChange: (listener) => reader.onChange(listener),
      carried: reader.carried
    }
    this.#indexing = new Indexing(this.#source)
    this.announce('reader')
    this.pauseIfStored()
    if (!still) this.#mirror.start()
  }

  protected override async collectable(folder: Folder): Promise<Collectable> {
    const [reader, store, state, blocks, mirror] = [this.#reader, this.#store, this.#state, this.#blocks, this.#mirror]
    if (!reader || !store || !state || !blocks || !mirror) throw notReady()
    // Which files hold which blocks is known from then on.
    await mirror.queue.run(() => mirror.workspace())
    return {
      folder,
      store,
      state,
      queue: mirror.queue,
      version: () => reader.version,
      garbage: () => reader.garbage(),
      complete: (version, signal) => reader.fetchLog(version, signal),
      isHeld: blocks.isHeld
    }
  }

  protected override async shut(): Promise<void> {
    this.tasks.abort()
    const [mirror, reader, state, store] = [this.#mirror, this.#reader, this.#state, this.#store]
    this.#mirror = undefined
    this.#source = undefined
    this.#reader = undefined
    this.#state = undefined
    this.#store = undefined
    this.#aim?.close()
    this.#aim = undefined
    this.#blocks?.close()
    const workers = this.#workers
    await runInOrder([
      () => {
        const closed = mirror?.close()
        this.releasePause()
        return closed
      },
      () => mirror?.close(),
      () => this.#indexing?.close(),
      () => this.tasks.ended(),
      () => this.disconnect(),
      () => reader?.close(),
      () => workers?.close(),
      () => state?.close(),
      () => store?.flush(),
      () => store?.close()
    ])
  }
}

/** The packs of the first content core that the entries of a mirror name. */
async function packsIn(state: State): Promise<ReadonlySet<number>> {
  const packs = new Set<number>()
  for await (const [, { entry }] of state.records()) {
    if (entry.type !== 'file') continue
    for (const { core, block, packed } of entry.extents) if (packed && core === firstCore) packs.add(block)
  }
  return packs
}

function fetchedAnew(keptAs: string): string {
  return `The log is fetched anew; the old one was set aside as ${keptAs}. Remove it when all is well`
}
