import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { LiveBaseline, stateChanges } from '../../src/baseline/baseline.ts'
import { BlockHolders } from '../../src/baseline/block-holders.ts'
import type { LoggedFolder } from '../../src/change/formerly-logged.ts'
import { probeFileSystem } from '../../src/disk/path/capabilities.ts'
import { State } from '../../src/disk/state/state.ts'
import { Workers } from '../../src/disk/threads/workers.ts'
import type { Applied } from '../../src/disk/write/materialise.ts'
import { Staging } from '../../src/disk/write/stage.ts'
import { naming } from '../../src/folder/conflict-host.ts'
import { type Folder, openFolder } from '../../src/folder/folder.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { ReplacedFiles } from '../../src/folder/replaced-files.ts'
import type { Head } from '../../src/format/head-codec.ts'
import { LogReader } from '../../src/log/reader.ts'
import type { LogWriter } from '../../src/log/writer.ts'
import type { Entry, FileEntry } from '../../src/tree/entry.ts'
import { wholePart } from '../../src/tree/select.ts'
import type { Version } from '../../src/tree/tree.ts'
import { fileOf } from './entries.ts'
import { arrival, commit, link, openStore, openWriter } from './log.ts'

const inPlaceAbove = 100_000

/** A real log with its writer, and the real folder of a reader, in one process and without a loop. */
export class MirroredFolder {
  readonly writer: LogWriter
  readonly log: LogReader
  readonly folder: Folder
  readonly state: State
  readonly workers: Workers
  readonly blocks: BlockHolders
  readonly events: SyncEvent[] = []
  readonly workspace: LoggedFolder
  /** Ends the connection between writer and reader. */
  readonly unlink: () => void
  /** Number of calls of `touched`. */
  touched = 0
  /** The paths passed to `settled`. */
  readonly settled: string[] = []

  private constructor(
    parts: Pick<MirroredFolder, 'writer' | 'log' | 'folder' | 'state' | 'workers' | 'blocks' | 'unlink'>
  ) {
    this.writer = parts.writer
    this.log = parts.log
    this.folder = parts.folder
    this.state = parts.state
    this.workers = parts.workers
    this.blocks = parts.blocks
    this.unlink = parts.unlink
    const { folder, blocks, workers, log } = this
    const monitor = new Monitor()
    monitor.subscribe((event) => this.events.push(event))
    const staging = new Staging(folder.staging, { inPlaceAbove, files: blocks, workers })
    staging.open()
    const isInPlace = (entry: FileEntry) => staging.isInPlace(entry)
    const replacedFiles = new ReplacedFiles({ root: folder.root, blocks, log, keepReplaced: {}, isInPlace, naming })
    const baseline = new LiveBaseline(blocks)
    this.workspace = {
      folder,
      monitor,
      staging,
      workers,
      replacedFiles,
      baseline,
      part: wholePart,
      traits: probeFileSystem(folder.staging),
      version: undefined,
      view: log.view({ received: () => 0, patienceMs: 1000 }),
      content: (patienceMs) => log.content(() => 0, { patienceMs }),
      record: (applied) => this.#record(applied),
      settled: async (paths) => void this.settled.push(...paths),
      touched: () => void this.touched++
    }
  }

  static async open(t: Assert): Promise<MirroredFolder> {
    const { store, writer } = await openWriter(t)
    const root = join(await t.tmp(), 'mirror')
    mkdirSync(root)
    const folder = openFolder(root, { role: 'reader', key: writer.key })
    t.teardown(() => folder.lock.release(), { order: 2 })
    const own = await openStore(t, folder.store)
    const workers = new Workers()
    t.teardown(() => workers.close())
    const blocks = new BlockHolders(folder.root, { shared: true })
    const log = await LogReader.open(own, writer.key, { files: blocks })
    t.teardown(() => log.close(), { order: 0 })
    const state = await State.open(folder.state)
    t.teardown(() => state.close(), { order: 1 })
    const unlink = await link(t, store, own)
    return new MirroredFolder({ writer, log, folder, state, workers, blocks, unlink })
  }

  /** Publishes a version: a text is a file with this content, `undefined` removes a path. Waits until the reader knows it. */
  async publish(
    changes: Readonly<Record<string, string | Entry | undefined>>,
    head: Partial<Head> = {}
  ): Promise<Version> {
    const entries: Record<string, Entry | undefined> = {}
    for (const [path, change] of Object.entries(changes)) {
      entries[path] = typeof change === 'string' ? await this.#store(change) : change
    }
    const version = await commit(this.writer, entries, head)
    await arrival(this.log, version)
    return version
  }

  async #store(content: string): Promise<FileEntry> {
    if (content === '') return fileOf('')
    const block = this.writer.content.length
    await this.writer.appendBlocks([Buffer.from(content)])
    const extent = { core: 0, block, blocks: 1, offset: 0, length: Buffer.byteLength(content), packed: false }
    return fileOf(content, { extents: [extent] })
  }

  at(path: string): string {
    return join(this.folder.root, path)
  }

  /** The contents of the folder, in a comparable form: content, `-> target` or `/`. */
  tree(): Record<string, string> {
    const tree: Record<string, string> = {}
    for (const path of readdirSync(this.folder.root, { recursive: true, encoding: 'utf8' }).sort()) {
      if (path === '.p2psync' || path.startsWith('.p2psync/')) continue
      const stats = lstatSync(this.at(path))
      if (stats.isSymbolicLink()) tree[path] = `-> ${readlinkSync(this.at(path))}`
      else tree[path] = stats.isFile() ? readFileSync(this.at(path), 'utf8') : '/'
    }
    return tree
  }

  has(path: string): boolean {
    return existsSync(this.at(path))
  }

  /** The events of one type. */
  of<T extends SyncEvent['type']>(type: T): Extract<SyncEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SyncEvent, { type: T }> => event.type === type)
  }

  async #record({ put, removed }: Applied): Promise<void> {
    const { baseline } = this.workspace
    for (const [path, record] of put) baseline.put(path, record)
    for (const path of removed) baseline.remove(path)
    await this.state.commitAll(stateChanges(put, removed))
  }
}
