import { BlockHasher } from '../disk/block-hasher.ts'
import { setAside } from '../disk/set-aside.ts'
import type { State } from '../disk/state.ts'
import { Workers } from '../disk/workers.ts'
import { LogReader } from '../log/reader.ts'
import { type LogStore, parseKey, printKey } from '../log/store.ts'
import { BlockHolders } from './block-holders.ts'
import type { ConnectOptions } from './connections.ts'
import { type Folder, openFolder } from './folder.ts'
import { FolderHandle, inTurn } from './handle.ts'
import { type InPlaceOptions, inPlaceBytes } from './in-place-options.ts'
import { Mirror } from './mirror.ts'
import { openStore } from './open-store.ts'
import type { Source } from './operations/source.ts'
import type { Totals } from './totals.ts'
import type { Turns } from './turns.ts'

export interface CloneOptions extends ConnectOptions, InPlaceOptions {
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /** Takes a directory that isn't empty: files that match are kept, others stay as the user's own. */
  readonly adopt?: boolean
  /** Refuses symlinks whose target is absolute or could lead out of the folder; a link that is there already stays. */
  readonly safeLinks?: boolean
  /** Sets the log aside and fetches it anew, as when it is damaged; files that match are kept. */
  readonly rebuild?: boolean
}

/** Who asks for a content that no peer sends doesn't wait longer, in milliseconds. */
const patienceMs = 5000

/** A folder that follows one published elsewhere. */
export class ClonedFolder extends FolderHandle {
  readonly #key: Uint8Array
  readonly #directory: string
  readonly #options: CloneOptions
  #forgetLog = false
  #store: LogStore | undefined
  #blocks: BlockHolders | undefined
  #workers: Workers | undefined
  #reader: LogReader | undefined
  #state: State | undefined
  #mirror: Mirror | undefined
  #source: Source | undefined

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

  protected override get turns(): Turns | undefined {
    return this.#mirror?.turns
  }

  protected override get openSource(): Source | undefined {
    return this.#source
  }

  protected override claim(): Folder {
    const { state, adopt, rebuild } = this.#options
    const folder = openFolder(this.#directory, { role: 'reader', key: this.key, state, adopt })
    if (rebuild !== true) return folder
    const keptAs = setAside(folder.store)
    if (keptAs === undefined) return folder
    // Versions are counted by the log: what is known of the folder stays, what is known of the log doesn't.
    this.#forgetLog = true
    const message = `The log is fetched anew; the old one was set aside as ${keptAs}. Remove it when all is well`
    this.monitor.emit({ type: 'notice', message })
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
    if (this.#forgetLog) await state.commit((batch) => batch.forget('applied'))
    this.#forgetLog = false
    this.#mirror = new Mirror(folder, reader, state, this.monitor, {
      received: () => this.traffic.received,
      onFailure: this.onFailure,
      safeLinks: this.#options.safeLinks ?? false,
      blocks,
      workers,
      inPlaceAbove: inPlaceBytes(this.#options.inPlaceAbove)
    })
    await this.connect(this.#store, { ...this.#options, home: folder.home, secret: this.#key, sends: false })
    this.#source = {
      key,
      root: folder.root,
      view: reader.view({ received: () => this.traffic.received, patienceMs }, patienceMs),
      records: () => state.records(),
      settled: async () => {},
      onChange: (listener) => reader.onChange(listener),
      carried: reader.carried
    }
    this.announce('reader')
    this.rest()
    this.#mirror.start()
  }

  protected override async shut(): Promise<void> {
    const [mirror, reader, state, store] = [this.#mirror, this.#reader, this.#state, this.#store]
    this.#mirror = undefined
    this.#source = undefined
    this.#reader = undefined
    this.#state = undefined
    this.#store = undefined
    this.#blocks?.close()
    const workers = this.#workers
    await inTurn([
      () => {
        const closed = mirror?.close()
        this.unrest()
        return closed
      },
      () => this.disconnect(),
      () => reader?.close(),
      () => workers?.close(),
      () => state?.close(),
      () => store?.flush(),
      () => store?.close()
    ])
  }
}
