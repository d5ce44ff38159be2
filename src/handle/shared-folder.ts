import { BlockHolders } from '../baseline/block-holders.ts'
import type { Totals } from '../baseline/totals.ts'
import type { Collectable } from '../care/collect-garbage.ts'
import type { VerifyHost } from '../care/verify-host.ts'
import { PathIndexFile } from '../disk/state/index-file.ts'
import { writeMarker } from '../disk/state/marker.ts'
import { State } from '../disk/state/state.ts'
import { BlockHasher } from '../disk/threads/block-hasher.ts'
import { Workers } from '../disk/threads/workers.ts'
import { Staging } from '../disk/write/stage.ts'
import { SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { naming } from '../folder/conflict-naming.ts'
import { type Folder, openFolder } from '../folder/folder.ts'
import { type InPlaceOptions, inPlaceBytes } from '../folder/in-place-options.ts'
import type { Loop } from '../folder/loop.ts'
import { openStore } from '../folder/open-store.ts'
import { type KeptContent, ReplacedFiles } from '../folder/replaced-files.ts'
import { runInOrder } from '../folder/run-in-order.ts'
import { type LogStore, parseKey } from '../log/hypercore/store.ts'
import { LogWriter } from '../log/writer.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import { Publisher } from '../publish/publisher.ts'
import { beginRun, noteWriter } from '../publish/writer-state.ts'
import { Indexing } from '../query/indexing.ts'
import type { LogSource } from '../query/log-source.ts'
import type { FileEntry } from '../tree/entry.ts'
import { FolderHandle, notReady } from './folder-handle.ts'
import { sharedHost } from './verify-hosts.ts'

/** How `share` watches and publishes a folder. */
export interface ShareOptions extends ConnectOptions, InPlaceOptions {
  /** Keeps the log and what is remembered in this directory rather than in the folder. */
  readonly state?: string
  /**
   * Takes a log that was copied or restored from elsewhere, as the only one that is ever used again: two
   * that write one log break it for its readers.
   */
  readonly moved?: boolean
  /** Finds changes by looking at everything again and again, where notifications don't work. */
  readonly poll?: boolean
  /** Between two such looks, in milliseconds. 2 seconds when left out. */
  readonly pollIntervalMs?: number
  /** Between two looks at everything beside notifications, in milliseconds. 10 minutes when left out. */
  readonly rescanIntervalMs?: number
  /** Reads every file on the first look, also those that look unchanged: a disk may have changed one without a trace. */
  readonly checksum?: boolean
  /** Publishes without looking for peers: they get it when the folder is next shared. */
  readonly offline?: boolean
  /** Refuses a directory that isn't a shared folder yet. */
  readonly existing?: boolean
  /** Only opens it: nothing is looked at or published. What is damaged is no change then. */
  readonly still?: boolean
}

/** Who asks for a content that no peer sends doesn't wait longer, in milliseconds. */
const patienceMs = 5000

/** A folder that is published from here. */
export class SharedFolder extends FolderHandle {
  readonly #directory: string
  readonly #options: ShareOptions
  #key: string | undefined
  #store: LogStore | undefined
  #blocks: BlockHolders | undefined
  #workers: Workers | undefined
  #state: State | undefined
  #writer: LogWriter | undefined
  #replacedFiles: ReplacedFiles | undefined
  #publisher: Publisher | undefined
  #source: LogSource | undefined
  #indexing: Indexing | undefined
  #host: VerifyHost | undefined

  constructor(directory: string, options: ShareOptions) {
    super()
    this.#directory = directory
    this.#options = options
  }

  override get key(): string {
    if (this.#key === undefined) throw new SyncError('NOT_READY', 'The key is known when the folder is ready')
    return this.#key
  }

  protected override get knownKey(): string | undefined {
    return this.#key
  }

  protected override get advice(): string {
    return (
      'The files are untouched. Restore .p2psync from a backup and give --moved; without one, the key is lost: ' +
      'move .p2psync away and share under a new one'
    )
  }

  /** Resolves when the folder, as it was at some moment after the call, is published. */
  published(): Promise<void> {
    return this.next((event) => event.type === 'up-to-date')
  }

  protected override get role() {
    return 'writer' as const
  }

  override get holds(): number | undefined {
    return this.#writer?.version?.length
  }

  override get kept(): readonly KeptContent[] {
    return this.#replacedFiles?.kept ?? []
  }

  protected override get totals(): Readonly<Totals> | undefined {
    return this.#publisher?.totals
  }

  protected override get newest(): number | undefined {
    return this.holds
  }

  protected override get loop(): Loop | undefined {
    return this.#publisher
  }

  protected override get openSource(): LogSource | undefined {
    return this.#source
  }

  protected override get isIdle(): boolean {
    return this.#options.still === true
  }

  protected override verifyHost(): VerifyHost {
    const [store, state, publisher, writer] = [this.#store, this.#state, this.#publisher, this.#writer]
    const [folder, workers] = [this.folder, this.#workers]
    if (!store || !state || !publisher || !writer || !folder || !workers) throw notReady()
    this.#host ??= sharedHost(
      {
        ...{ folder, store, state, workers },
        hasher: new BlockHasher(workers),
        received: () => this.traffic.received,
        renewState: () => this.reopen(({ state }) => State.discard(state))
      },
      publisher,
      writer
    )
    return this.#host
  }

  protected override claim(): Folder {
    const { state, existing } = this.#options
    return openFolder(this.#directory, { role: 'writer', state, existing })
  }

  protected override async open(folder: Folder): Promise<void> {
    const { moved, offline = false, checksum = false, still = false } = this.#options
    const { poll = false, pollIntervalMs = 2000, rescanIntervalMs = 600_000 } = this.#options
    const blocks = new BlockHolders(folder.root)
    this.#blocks = blocks
    const workers = new Workers()
    this.#workers = workers
    const store = await openStore(folder, moved === true ? 'only' : 'refuse')
    this.#store = store
    const writer = await LogWriter.open(store, blocks)
    this.#writer = writer
    // A marker must not name a key that a power cut could still take back.
    if (folder.marker.key === null) await store.flush()
    claimKey(folder, writer.key)
    this.#key = writer.key
    const stateDb = await this.openState(folder.state)
    this.#state = stateDb
    const isFirst = folder.marker.key === null && writer.version === undefined
    if (!still) await beginRun(stateDb, writer, { isFirst, flush: () => store.flush() })
    const inPlaceAbove = inPlaceBytes(this.#options.inPlaceAbove)
    const staging = new Staging(folder.staging, { inPlaceAbove, files: blocks, workers })
    const isInPlace = (entry: FileEntry) => staging.isInPlace(entry)
    const keeper = new ReplacedFiles({ root: folder.root, blocks, log: writer, keepReplaced: {}, isInPlace, naming })
    this.#replacedFiles = keeper
    this.#publisher = new Publisher(folder, writer, stateDb, this.monitor, {
      poll,
      pollMs: pollIntervalMs,
      rescanMs: rescanIntervalMs,
      checksum,
      blocks,
      workers,
      inPlaceAbove,
      staging,
      replacedFiles: keeper,
      received: () => this.traffic.received,
      onFailure: this.onFailure
    })
    this.#source = {
      key: writer.key,
      root: folder.root,
      view: writer.view({ received: () => this.traffic.received, patienceMs }, new PathIndexFile(folder.home)),
      records: () => stateDb.records(),
      settled: async () => {},
      onChange: (listener) => writer.onChange(listener),
      carried: (version) => version
    }
    this.#indexing = new Indexing(this.#source)
    const secret = parseKey(writer.key)
    if (!offline) await this.connect(store, { ...this.#options, home: folder.home, secret, sends: true })
    this.announce('writer')
    this.pauseIfStored()
    if (!still) this.#publisher.start()
  }

  protected override async collectable(folder: Folder): Promise<Collectable> {
    const [writer, store, state] = [this.#writer, this.#store, this.#state]
    const [blocks, publisher] = [this.#blocks, this.#publisher]
    if (!writer || !store || !state || !blocks || !publisher) throw notReady()
    // Which files hold which blocks is known from then on.
    await publisher.queue.run(() => publisher.workspace())
    return {
      folder,
      store,
      state,
      queue: publisher.queue,
      version: () => writer.version,
      garbage: async () => writer.garbage(),
      complete: async () => {}, // Who wrote it has it.
      isHeld: blocks.isHeld,
      repack: async (sparse, signal) => {
        // Each run that appends begins with a fork of its own.
        if (this.isIdle) await beginRun(state, writer, { isFirst: false, flush: () => store.flush() })
        const relocations = await writer.repack(sparse, Date.now(), signal)
        // Before anything is cleared for it.
        await store.flush()
        await state.commit((batch) => noteWriter(batch, writer))
        return relocations
      }
    }
  }

  protected override async shut(): Promise<void> {
    this.tasks.abort()
    const [publisher, state, store] = [this.#publisher, this.#state, this.#store]
    this.#publisher = undefined
    this.#source = undefined
    this.#writer = undefined
    this.#host = undefined
    this.#state = undefined
    this.#store = undefined
    this.#blocks?.close()
    const workers = this.#workers
    await runInOrder([
      () => {
        const closed = publisher?.close()
        this.releasePause()
        return closed
      },
      () => publisher?.close(),
      () => this.#indexing?.close(),
      () => this.tasks.ended(),
      () => this.disconnect(),
      () => workers?.close(),
      () => state?.close(),
      async () => {
        await store?.flush()
        reached('log-flushed')
      },
      () => store?.close()
    ])
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
