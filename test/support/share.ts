import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Assert } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { BlockHolders } from '../../src/baseline/block-holders.ts'
import type { Collectable } from '../../src/care/collect-garbage.ts'
import type { VerifyHost } from '../../src/care/verify-host.ts'
import { overwrite } from '../../src/change/overwrite.ts'
import { PathIndexFile } from '../../src/disk/state/index-file.ts'
import { State } from '../../src/disk/state/state.ts'
import { BlockHasher } from '../../src/disk/threads/block-hasher.ts'
import { Workers } from '../../src/disk/threads/workers.ts'
import { Staging } from '../../src/disk/write/stage.ts'
import { naming } from '../../src/folder/conflict-host.ts'
import { type Folder, openFolder } from '../../src/folder/folder.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { ReplacedFiles } from '../../src/folder/replaced-files.ts'
import { LogStore } from '../../src/log/hypercore/store.ts'
import { LogWriter } from '../../src/log/writer.ts'
import { ChangeTracker } from '../../src/publish/change-tracker.ts'
import { SnapshotPublisher } from '../../src/publish/entries-snapshot.ts'
import { FolderIgnoreRules } from '../../src/publish/ignore-rules.ts'
import { PackBuffers } from '../../src/publish/pack-buffers.ts'
import type { PublishContext } from '../../src/publish/publish-context.ts'
import { Publisher, type PublisherOptions } from '../../src/publish/publisher.ts'
import { TornFiles } from '../../src/publish/torn-files.ts'
import { beginRun, noteWriter } from '../../src/publish/writer-state.ts'
import type { LogSource } from '../../src/query/log-source.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { exactFileSystem } from '../../src/tree/file-system.ts'
import type { Version } from '../../src/tree/tree.ts'
import { until } from './until.ts'

const trackerOptions = { poll: false, pollMs: 100, rescanMs: 600_000 }
const inPlaceAbove = 1024 * 1024

/** A shared folder in this process, with access to all of its parts and without a network. */
export class Share {
  readonly root: string
  readonly events: SyncEvent[] = []
  readonly monitor = new Monitor()
  readonly folder: Folder
  readonly store: LogStore
  readonly writer: LogWriter
  readonly state: State
  readonly blocks: BlockHolders
  readonly workers: Workers
  readonly staging: Staging
  readonly replacedFiles: ReplacedFiles
  readonly source: LogSource
  readonly #stop = new AbortController()

  private constructor(
    folder: Folder,
    parts: {
      readonly store: LogStore
      readonly writer: LogWriter
      readonly state: State
      readonly blocks: BlockHolders
    }
  ) {
    const { store, writer, state, blocks } = parts
    this.root = folder.root
    this.folder = folder
    this.store = store
    this.writer = writer
    this.state = state
    this.blocks = blocks
    this.workers = new Workers()
    this.staging = new Staging(folder.staging, { inPlaceAbove, files: blocks, workers: this.workers })
    this.replacedFiles = new ReplacedFiles({
      root: folder.root,
      blocks,
      log: writer,
      keepReplaced: {},
      isInPlace: (entry) => this.staging.isInPlace(entry),
      naming
    })
    this.source = {
      key: writer.key,
      root: folder.root,
      view: writer.view({ received: () => 0, patienceMs: 1000 }, new PathIndexFile(folder.home)),
      records: () => state.records(),
      settled: async () => {},
      onChange: (listener) => writer.onChange(listener),
      carried: (version) => version
    }
    this.monitor.subscribe((event) => this.events.push(event))
  }

  /** @param files paths and texts that the folder holds from the start */
  static async open(t: Assert, files: Readonly<Record<string, string>> = {}): Promise<Share> {
    const root = await t.tmp()
    for (const [path, text] of Object.entries(files)) put(root, path, text)
    const folder = openFolder(root, { role: 'writer' })
    const store = await LogStore.open(folder.store)
    const blocks = new BlockHolders(folder.root)
    const writer = await LogWriter.open(store, blocks)
    const state = await State.open(folder.state)
    await beginRun(state, writer, { isFirst: true, flush: () => store.flush() })
    const share = new Share(folder, { store, writer, state, blocks })
    t.teardown(() => share.close(), { order: 1 })
    return share
  }

  write(path: string, content: string | Uint8Array): void {
    put(this.root, path, content)
  }

  at(path: string): string {
    return join(this.root, path)
  }

  /** A publisher that is closed when the test ends. */
  publisher(t: Assert, options: Partial<PublisherOptions> = {}): Publisher {
    const { folder, writer, state, monitor, blocks, workers, staging, replacedFiles } = this
    const publisher = new Publisher(folder, writer, state, monitor, {
      ...trackerOptions,
      checksum: false,
      blocks,
      workers,
      inPlaceAbove,
      staging,
      replacedFiles,
      received: () => 0,
      onFailure: () => false,
      ...options
    })
    t.teardown(() => publisher.close(), { order: 0 })
    return publisher
  }

  /** Publishes the folder as it is, and stops the loop. */
  async publish(t: Assert): Promise<Version> {
    const publisher = this.publisher(t, { poll: true })
    const published = this.next('up-to-date')
    publisher.start()
    await published
    await publisher.close()
    return this.version
  }

  get version(): Version {
    const { version } = this.writer
    if (version === undefined) throw new Error('Nothing is published yet')
    return version
  }

  /** All entries of the latest version. */
  async entries(): Promise<Map<string, Entry>> {
    const entries = new Map<string, Entry>()
    for await (const [path, entry] of this.writer.entries(() => {})) entries.set(path, entry)
    return entries
  }

  /** A baseline loaded from the state. */
  baseline(): Promise<LiveBaseline> {
    return LiveBaseline.of(this.state.records(), this.blocks)
  }

  /** The objects that a pass works with; its tracker watches nothing. */
  context(changes: Partial<PublishContext> = {}): PublishContext {
    const { folder, writer, state, monitor, blocks, workers } = this
    return {
      folder,
      writer,
      state,
      monitor,
      blocks,
      workers,
      inPlaceAbove,
      tracker: new ChangeTracker(folder.root, monitor, { ...trackerOptions, poll: true }),
      rules: new FolderIgnoreRules(folder.root, (problem) => monitor.problem(problem)),
      snapshots: new SnapshotPublisher(writer, state),
      torn: new TornFiles(),
      buffers: new PackBuffers(),
      signal: this.#stop.signal,
      ...changes
    }
  }

  /** The folder as `verify` sees it, through a publisher that needn't run. */
  verifyHost(publisher: Publisher, changes: Partial<VerifyHost> = {}): VerifyHost {
    const { folder, store, state, workers, writer } = this
    return {
      folder,
      store,
      state,
      workers,
      queue: publisher.queue,
      hasher: new BlockHasher(workers),
      received: () => 0,
      recorded: async () => {
        const { baseline } = await publisher.workspace()
        return { baseline, traits: exactFileSystem, entries: writer.entries(() => {}) }
      },
      cores: async () => writer.cores(),
      overwrite: (paths, options) =>
        publisher.queue.run(async () => overwrite(paths, await publisher.workspace(), options)),
      rebuild: undefined,
      renewState: async () => {},
      ...changes
    }
  }

  /** The folder as garbage collection sees it. */
  collectable(publisher: Publisher): Collectable {
    const { folder, store, state, writer, blocks } = this
    return {
      folder,
      store,
      state,
      queue: publisher.queue,
      version: () => writer.version,
      garbage: async () => writer.garbage(),
      complete: async () => {},
      isHeld: blocks.isHeld,
      repack: async (sparse, signal) => {
        const relocations = await writer.repack(sparse, Date.now(), signal)
        await store.flush()
        await state.commit((batch) => noteWriter(batch, writer))
        return relocations
      }
    }
  }

  /** The next event of a type, from the call on. */
  async next<T extends SyncEvent['type']>(type: T): Promise<Extract<SyncEvent, { type: T }>> {
    const from = this.events.length
    const isOfType = (event: SyncEvent): event is Extract<SyncEvent, { type: T }> => event.type === type
    return until(() => this.events.slice(from).find(isOfType), { what: `an event ${type}` })
  }

  /** The events of a type so far. */
  eventsOf<T extends SyncEvent['type']>(type: T): readonly Extract<SyncEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SyncEvent, { type: T }> => event.type === type)
  }

  /** Closes the folder; its publishers have to be closed before. Otherwise called when the test ends. */
  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.blocks.close()
    await this.workers.close()
    await this.state.close()
    await this.store.close()
    this.folder.lock.release()
  }
}

function put(root: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}
