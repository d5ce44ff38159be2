import { setMaxListeners } from 'node:events'
import b4a from 'b4a'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { encodeEntry } from '../format/entry-codec.ts'
import { deltasMax, encodeHead, type Head, headKey } from '../format/head-codec.ts'
import { encodeRelocations } from '../format/relocation-codec.ts'
import { firstPathIn } from '../format/snapshot-codec.ts'
import { type BlockRef, firstCore } from '../tree/block-ref.ts'
import type { Entry, Extent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { beeOf, entriesOf, headerLength, headOf, versionOf } from './bee/entries.ts'
import { type IndexFile, PathIndex } from './bee/path-index.ts'
import type { LogCores } from './check/damaged-blocks.ts'
import { missingBlocks } from './check/missing.ts'
import { type Arrivals, ContentReader } from './content/content.ts'
import type { LogContent } from './content/log-content.ts'
import { isHere, noRelocations, Relocations, RelocationTable } from './content/relocations.ts'
import { Garbage } from './gc/garbage.ts'
import { repack, type Sparse } from './gc/sparse-packs.ts'
import { lengthWith } from './hypercore/bee-messages.ts'
import { type BlockFiles, BlockPlaces, noFiles } from './hypercore/block-places.ts'
import { type LogStore, printKey } from './hypercore/store.ts'
import { LogView } from './log-view.ts'
import { makeDelta } from './packed/deltas.ts'

/** Changes of one batch, which is in memory until it is appended: 100,000 took 300 MB. */
const batchChangesMax = 5000
/** How long the writer waits for peers to send its own table of relocations when that is damaged, in milliseconds. */
const tableMsMax = 10_000
/** Bytes of the first paths of a snapshot's blocks, which go into one block of the log. */
const firstsBytesMax = 64 * 1024

/** The log of a folder, for its writer. */
export class LogWriter {
  readonly #entries: Hypercore
  readonly #content: Hypercore
  readonly #bee: Hyperbee
  readonly #directory: string
  /** The number of its content core in the folder. */
  readonly core = firstCore
  /** Which blocks lie in files of the folder. */
  readonly places: BlockPlaces
  /** The forks of content and entries that this run started. */
  #forks: readonly [content: number, entries: number] | undefined
  readonly #table: RelocationTable
  /** The changes of the unfinished version; `undefined` if they aren't known, after a version was cut off. */
  #changed: Map<TreePath, Entry | undefined> | undefined

  private constructor(entries: Hypercore, content: Hypercore, places: BlockPlaces, directory: string) {
    this.#directory = directory
    this.#entries = entries
    this.#content = content
    this.places = places
    this.#bee = beeOf(entries, content.key)
    this.#table = new RelocationTable(content, () => content.peers.length > 0)
  }

  /** @param files the files that hold blocks in place */
  static async open(store: LogStore, files: BlockFiles = noFiles): Promise<LogWriter> {
    const entries = await store.named('entries')
    const content = await store.named('content')
    const writer = new LogWriter(entries, content, new BlockPlaces(content, files), store.directory)
    await writer.#bee.ready()
    return writer
  }

  /** The key under which readers find and follow the folder. */
  get key(): string {
    return printKey(this.#entries.key)
  }

  /** Calls `listener` whenever there may be another version. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    setMaxListeners(0, this.#entries) // Any number of listeners.
    for (const event of ['append', 'truncate']) this.#entries.on(event, listener)
    return () => {
      for (const event of ['append', 'truncate']) this.#entries.off(event, listener)
    }
  }

  /** The latest version, or `undefined` before the first. */
  get version(): Version | undefined {
    return versionOf(this.#entries)
  }

  /** The length and fork of the content core. */
  get content(): Version {
    return { fork: this.#content.fork, length: this.#content.length }
  }

  /**
   * Starts a new fork of both cores, which every run has to do before it appends. Nothing on this machine shows for
   * sure that the store isn't an earlier copy of itself, of which readers know later blocks: appending to it would make
   * them close the log for ever, while they follow a new fork.
   *
   * @param nowMs makes the number of the fork one that no earlier run used, not even one that a copy has forgotten;
   *   if the clock is wrong the number is at least one more than the present one
   */
  async startFork(nowMs: number): Promise<void> {
    for (const core of [this.#content, this.#entries]) {
      // Also an empty core: it may have been longer before.
      await core.truncate(core.length, { fork: Math.max(core.fork + 1, Math.floor(nowMs)) })
      reached('core-forked')
    }
    this.#forks = [this.#content.fork, this.#entries.fork]
  }

  /** A log that changes under its writer is written by a copy of its store, too. */
  #assertOwn(): void {
    const [content, entries] = this.#forks ?? [this.#content.fork, this.#entries.fork]
    if (this.#content.fork === content && this.#entries.fork === entries) return
    throw new SyncError(
      'HALTED',
      `The log ${this.key} was written elsewhere, too: a copy of its store is at work. End one of the two, ` +
        'for good, and start this one again'
    )
  }

  /**
   * Appends blocks to the content core, all or none; the first gets the index `first`, which has to be
   * `content.length`.
   */
  async appendBlocks(blocks: readonly Uint8Array[], first = this.#content.length): Promise<void> {
    this.#assertOwn()
    // Entries that name another's blocks would lose their contents.
    if (first !== this.#content.length) throw new Error(`Block ${first} where ${this.#content.length} is next`)
    if (blocks.length > 0) await this.#content.append(blocks)
  }

  /** Whether all blocks of an extent are here, or in a file that held them when they were last read. */
  has({ block, blocks }: Extent): Promise<boolean> {
    return this.#content.has(block, block + blocks)
  }

  /** Gives up blocks in place, of the log's own core, that no file holds any more. */
  async release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void> {
    for (const { core, block, blocks } of extents) {
      if (core === this.core) await this.places.release(block, block + blocks, isHeld)
    }
  }

  /**
   * Commits a version. An entry of `undefined` removes the path. Each batch is one atomic append; many changes take
   * several, of which only the last finishes the version, and names a delta of its changes.
   */
  async commit(
    changes: ReadonlyMap<TreePath, Entry | undefined>,
    numbers: Omit<Head, 'before' | 'snapshot' | 'deltas' | 'relocations'>
  ): Promise<Version> {
    this.#assertOwn()
    const latest = await this.head()
    const before = latest?.unfinished ? latest.before : (this.version?.length ?? 0)
    const { snapshot, deltas, relocations } = latest ?? {}
    const head = { ...numbers, before, snapshot, deltas, relocations }
    const changed = latest?.unfinished ? this.#changed : new Map()
    // Unknown if this commit fails.
    this.#changed = undefined
    let part: [TreePath, Entry | undefined][] = []
    let left = changes.size
    for (const change of changes) {
      left--
      changed?.set(...change)
      if (part.push(change) < batchChangesMax || left === 0) continue
      await this.#append(part, { ...head, unfinished: true })
      part = []
    }
    if (head.unfinished) {
      await this.#append(part, head)
      this.#changed = changed
    } else await this.#finish(part, head, changed ?? new Map())
    return { fork: this.#entries.fork, length: this.#entries.length }
  }

  /**
   * Appends the last batch of a version. If the process ends before it, the blocks of the delta stay, and nothing names
   * them.
   */
  async #finish(
    part: readonly (readonly [TreePath, Entry | undefined])[],
    head: Head,
    changed: ReadonlyMap<TreePath, Entry | undefined>
  ): Promise<void> {
    const blocks = head.before > headerLength ? await makeDelta(changed) : undefined
    if (blocks === undefined) return this.#append(part, head)
    const block = this.#content.length
    const delta = { block, blocks: blocks.length, since: head.before, entries: changed.size }
    const kept = [...(head.deltas ?? [])]
    const dropped = kept.splice(0, kept.length + 1 - deltasMax)
    await this.appendBlocks(blocks)
    reached('blocks-appended')
    const contentLength = this.#content.length
    await this.#append(part, (length) => ({ ...head, contentLength, deltas: [...kept, { ...delta, length }] }))
    for (const { block, blocks } of dropped) await this.#content.clear(block, block + blocks)
  }

  /**
   * Stores a snapshot of the latest version, which must be finished, and commits a version without changes that names
   * it. If the process ends in between, the blocks stay, and nothing names them.
   */
  async publishSnapshot(blocks: readonly Uint8Array[], entries: number, timeMs: number): Promise<Version> {
    this.#assertOwn()
    const [version, latest] = [this.version, await this.head()]
    if (version === undefined || latest === undefined || latest.unfinished) throw new Error('No version to describe')
    const snapshot = { block: this.#content.length, blocks: blocks.length, length: version.length, entries }
    const firsts = await firstPathsOf(blocks)
    await this.appendBlocks(blocks)
    reached('blocks-appended')
    const numbers = { timeMs, puts: 0, removals: 0, contentLength: this.#content.length, before: version.length }
    await this.#append([], { ...latest, ...numbers, snapshot, firsts })
    // Readers that request the previous snapshot learn that it is missing, and take this one.
    if (latest.snapshot)
      await this.#content.clear(latest.snapshot.block, latest.snapshot.block + latest.snapshot.blocks)
    return { fork: this.#entries.fork, length: this.#entries.length }
  }

  /**
   * Stores the needed contents of packs anew, and commits a version without changes that names their new places: the
   * packs may be cleared then. If the process ends before it, the blocks stay, and nothing names them.
   *
   * @returns the new places; none, and nothing is done, if the latest version is unfinished
   */
  async repack({ packs }: Sparse, timeMs: number, signal: AbortSignal): Promise<Relocations> {
    this.#assertOwn()
    const [version, latest] = [this.version, await this.head()]
    if (version === undefined || latest === undefined || latest.unfinished) return noRelocations
    const parts = {
      bee: this.#bee,
      content: this.#content,
      places: this.places,
      // The new table has to repeat earlier moves.
      relocations: await this.#table.stored(latest, signal)
    }
    const append = async (block: Uint8Array) => {
      await this.appendBlocks([block])
      return this.#content.length - 1
    }
    const moved = await repack(parts, packs, append, signal)
    reached('blocks-appended')
    // Old moves stay: other peers may have packs that nobody needs here any more.
    const all = [...parts.relocations.all, ...moved].sort((a, b) => a.block - b.block)
    const table = await encodeRelocations(all)
    const relocations = { block: this.#content.length, blocks: table.length }
    await this.appendBlocks(table)
    const numbers = { timeMs, puts: 0, removals: 0, contentLength: this.#content.length, before: version.length }
    const { firsts: _, ...head } = latest
    await this.#append([], { ...head, ...numbers, relocations })
    return new Relocations(all)
  }

  async #relocations(): Promise<Relocations> {
    return this.#table.fetched(await this.head(), AbortSignal.timeout(tableMsMax))
  }

  /** @param head of the batch, or a function of the length of the log with it */
  async #append(
    changes: readonly (readonly [TreePath, Entry | undefined])[],
    head: Head | ((length: number) => Head)
  ): Promise<void> {
    const batch = this.#bee.batch()
    try {
      for (const [path, entry] of changes) {
        if (entry === undefined) await batch.del(b4a.from(path))
        else await batch.put(b4a.from(path), encodeEntry(entry))
      }
      // Last, so that the last block of a version is its head: nobody has to search for it in a tree that isn't here
      // yet.
      const value = encodeHead(typeof head === 'function' ? head(lengthWith(batch) + 1) : head)
      await batch.put(b4a.from(headKey), value)
      reached('version-ready')
      await batch.flush()
      reached('version-made')
    } catch (error) {
      await batch.close()
      throw error
    }
  }

  /**
   * The log, readable at any version.
   *
   * @param arrivals the state of the network, except peers
   * @param index the file of the index of paths; there is none when left out
   */
  view(arrivals: Omit<Arrivals, 'hasPeers'>, index?: IndexFile): LogView {
    return new LogView({
      index: index && new PathIndex(this.#entries, index),
      entries: this.#entries,
      bee: this.#bee,
      content: async () => this.#contents(),
      fetch: async () => {}, // A writer has all of its entries core.
      arrivals: { ...arrivals, hasPeers: () => this.#content.peers.length > 0 },
      directory: this.#directory
    })
  }

  #contents(): LogContent {
    return { core: this.#content, places: this.places, relocations: this.#table }
  }

  /** Finds the blocks that no version needs. */
  garbage(): Garbage {
    return new Garbage(this.#bee, this.#contents())
  }

  /** The head of the latest version. */
  async head(): Promise<Head | undefined> {
    return this.version === undefined ? undefined : await headOf(this.#bee, this.version)
  }

  /** All entries of the latest version. */
  async *entries(onProblem: (problem: Problem) => void): AsyncGenerator<readonly [TreePath, Entry]> {
    if (this.version !== undefined) yield* entriesOf(this.#bee, this.version, onProblem)
  }

  /** The cores, to be checked. */
  cores(): LogCores {
    return {
      entries: this.#entries,
      content: this.#content,
      hasPeers: () => this.#content.peers.length > 0,
      isPlaced: async (block) => (await this.places.lengthOf(block)) !== undefined,
      holds: async (extent) => isHere(this.#content, await this.#relocations(), extent),
      missing: async () => {
        const [head, entries] = [await this.head(), this.entries(() => {})]
        const relocations = () => this.#table.stored(head, AbortSignal.timeout(tableMsMax))
        return missingBlocks(this.#content, { head, entries, relocations })
      }
    }
  }

  /**
   * Reads the contents that the entries name, also those that only peers have; to be closed.
   *
   * @param received the bytes received from all peers so far
   * @param patienceMs how long to wait for silent peers, or for a first one; without it, as long as it takes for a
   *   first one
   */
  async contents(received: () => number, patienceMs?: number): Promise<ContentReader> {
    const { hasPeers } = this.cores()
    const arrivals = patienceMs === undefined ? { received, hasPeers } : { received, hasPeers: () => true, patienceMs }
    const more = { relocations: await this.#relocations(), directory: this.#directory }
    return new ContentReader(this.#content, this.places, arrivals, more)
  }

  async close(): Promise<void> {
    await this.#bee.close()
    await this.#content.close()
  }
}

/** The first path of each block of a snapshot; none if they are too long, or a block has none. */
async function firstPathsOf(blocks: readonly Uint8Array[]): Promise<readonly Buffer[]> {
  const firsts: Buffer[] = []
  let bytes = 0
  for (const block of blocks) {
    const path = await firstPathIn(block).catch(() => undefined)
    bytes += path?.length ?? 0
    if (path === undefined || bytes > firstsBytesMax) return []
    firsts.push(path)
  }
  return firsts
}
