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
import { isHere, noRelocations, Relocations, RelocationTable } from './content/relocations.ts'
import { Garbage } from './gc/garbage.ts'
import { repack, type Sparse } from './gc/sparse-packs.ts'
import { type BlockFiles, BlockPlaces, noFiles } from './hypercore/block-places.ts'
import { type LogStore, printKey } from './hypercore/store.ts'
import { LogView } from './log-view.ts'
import { makeDelta } from './packed/deltas.ts'

/** Changes of one batch, all of which is in memory until it is appended: 100,000 took 300 MB. */
const batchChangesMax = 5000
/** How long the writer waits for a table of its own that was damaged, in milliseconds. */
const tableMsMax = 10_000
/** First paths of the blocks of a snapshot, which are in one block of the log. */
const firstsBytesMax = 64 * 1024

/** The log of a folder, seen from the one who writes it. */
export class LogWriter {
  readonly #entries: Hypercore
  readonly #content: Hypercore
  readonly #bee: Hyperbee
  readonly #directory: string
  /** The number of its content core in the folder. */
  readonly core = firstCore
  /** Which blocks lie in files. */
  readonly places: BlockPlaces
  /** The forks of content and entries that this run has started. */
  #forks: readonly [content: number, entries: number] | undefined
  readonly #table = new RelocationTable()
  /** What the version that is being made changes; `undefined` where that isn't known, of one that was cut off. */
  #changed: Map<TreePath, Entry | undefined> | undefined

  private constructor(entries: Hypercore, content: Hypercore, places: BlockPlaces, directory: string) {
    this.#directory = directory
    this.#entries = entries
    this.#content = content
    this.places = places
    this.#bee = beeOf(entries, content.key)
  }

  /** @param files where blocks lie that aren't in the store */
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
    setMaxListeners(0, this.#entries) // As many as watch.
    for (const event of ['append', 'truncate']) this.#entries.on(event, listener)
    return () => {
      for (const event of ['append', 'truncate']) this.#entries.off(event, listener)
    }
  }

  /** The latest version, or `undefined` before the first. */
  get version(): Version | undefined {
    return versionOf(this.#entries)
  }

  /** How long the content core is, and its fork. */
  get content(): Version {
    return { fork: this.#content.fork, length: this.#content.length }
  }

  /**
   * Starts a new fork of both cores, as every run has to before it appends. Nothing on this machine can
   * tell for sure that the store isn't an earlier copy of itself, whose end readers know better:
   * appending to it would make them close the log for ever, while a new fork they follow.
   *
   * @param nowMs makes the fork's number one that no run before has had, also none that a copy has
   *   forgotten; with a clock that is wrong it is at least one more than what is known here
   */
  async startFork(nowMs: number): Promise<void> {
    for (const core of [this.#content, this.#entries]) {
      // An empty one too: it may have been longer before.
      await core.truncate(core.length, { fork: Math.max(core.fork + 1, Math.floor(nowMs)) })
      reached('core-forked')
    }
    this.#forks = [this.#content.fork, this.#entries.fork]
  }

  /** A log that changes under its writer is written by a copy of its store as well. */
  #assertOwn(): void {
    const [content, entries] = this.#forks ?? [this.#content.fork, this.#entries.fork]
    if (this.#content.fork === content && this.#entries.fork === entries) return
    throw new SyncError(
      'HALTED',
      `The log ${this.key} was written elsewhere, too: a copy of its store is at work. End one of the two, ` +
        'for good, and start this one again'
    )
  }

  /** Appends blocks to the content core, all or none; the first gets the index `first`, which is `content.length`. */
  async appendBlocks(blocks: readonly Uint8Array[], first = this.#content.length): Promise<void> {
    this.#assertOwn()
    // Entries that named others' blocks would be lost contents.
    if (first !== this.#content.length) throw new Error(`Block ${first} where ${this.#content.length} is next`)
    if (blocks.length > 0) await this.#content.append(blocks)
  }

  /** Whether all blocks of an extent are here, or in a file that had them when they were last asked for. */
  has({ block, blocks }: Extent): Promise<boolean> {
    return this.#content.has(block, block + blocks)
  }

  /** Gives up blocks that lay in files, as far as no other file holds them. */
  async release(extents: readonly Extent[], isHeld: (block: BlockRef) => boolean): Promise<void> {
    for (const { block, blocks } of extents) await this.places.release(block, block + blocks, isHeld)
  }

  /**
   * Makes a version. An entry of `undefined` removes the path. Each batch is one atomic append; many
   * changes are several, of which only the last finishes the version, and names a delta of what it changed.
   */
  async commit(
    changes: ReadonlyMap<TreePath, Entry | undefined>,
    numbers: Omit<Head, 'before' | 'snapshot' | 'deltas' | 'relocations'>
  ): Promise<Version> {
    this.#assertOwn()
    const latest = await this.head()
    const before = latest?.unfinished ? latest.before : (this.version?.length ?? 0)
    const { snapshot, deltas, relocations } = latest ?? {}
    const named = { ...(snapshot && { snapshot }), ...(deltas && { deltas }), ...(relocations && { relocations }) }
    const head = { ...numbers, before, ...named }
    const changed = latest?.unfinished ? this.#changed : new Map()
    // Not known any more, should this fail.
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
    return this.version as Version
  }

  /** Appends the last batch of a version. Cut off before it, the blocks of the delta stay, and nobody knows of them. */
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
    const gone = kept.splice(0, kept.length + 1 - deltasMax)
    await this.appendBlocks(blocks)
    reached('blocks-appended')
    const contentLength = this.#content.length
    await this.#append(part, (length) => ({ ...head, contentLength, deltas: [...kept, { ...delta, length }] }))
    for (const { block, blocks } of gone) await this.#content.clear(block, block + blocks)
  }

  /**
   * Stores a snapshot of the latest version, which must be whole, and makes a version without changes that names it.
   * Cut off in between, the blocks stay, and nobody knows of them.
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
    // Who asks for the one before from now on is told that it isn't here, and takes this one.
    if (latest.snapshot)
      await this.#content.clear(latest.snapshot.block, latest.snapshot.block + latest.snapshot.blocks)
    return this.version as Version
  }

  /**
   * Stores anew what is needed of packs, and makes a version without changes that tells where it is: the packs may be
   * cleared then. Cut off before it, the blocks stay, and nobody knows of them.
   *
   * @returns where it is; nothing was done where the version isn't whole
   */
  async repack({ packs }: Sparse, timeMs: number, signal: AbortSignal): Promise<Relocations> {
    this.#assertOwn()
    const [version, latest] = [this.version, await this.head()]
    if (version === undefined || latest === undefined || latest.unfinished) return noRelocations
    const parts = {
      bee: this.#bee,
      content: this.#content,
      places: this.places,
      // A table without them would lose all that was moved before.
      relocations: await this.#table.known(latest, this.#content, () => false, signal)
    }
    const append = async (block: Uint8Array) => {
      await this.appendBlocks([block])
      return this.#content.length - 1
    }
    const moved = await repack(parts, packs, append, signal)
    reached('blocks-appended')
    // None is dropped: others may have kept what nobody needs here any more.
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
    const { hasPeers } = this.cores()
    return this.#table.of(await this.head(), this.#content, hasPeers, AbortSignal.timeout(tableMsMax))
  }

  /** @param head what the batch says of itself, told the length of the log with it */
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
      // Last, so that a version's last block tells of it: nobody has to look for it in a tree that isn't here yet.
      const value = encodeHead(typeof head === 'function' ? head(batch.version + 1) : head)
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
   * The log as it can be read at any version.
   *
   * @param arrivals what is known of the network, but for who follows the log
   * @param index where the index of paths lies; there is none when left out
   */
  view(arrivals: Omit<Arrivals, 'hasPeers'>, index?: IndexFile): LogView {
    return new LogView({
      index: index && new PathIndex(this.#entries, index),
      entries: this.#entries,
      bee: this.#bee,
      content: async () => ({ core: this.#content, places: this.places }),
      fetch: async () => {}, // Whatever the log says was said here.
      arrivals: { ...arrivals, hasPeers: () => this.#content.peers.length > 0 },
      directory: this.#directory
    })
  }

  /** Finds what no version needs any more. */
  garbage(): Garbage {
    return new Garbage(this.#bee, this.#content, this.places)
  }

  /** What the latest version says of itself. */
  async head(): Promise<Head | undefined> {
    return this.version === undefined ? undefined : await headOf(this.#bee, this.version)
  }

  /** All entries of the latest version. */
  async *entries(onProblem: (problem: Problem) => void): AsyncGenerator<readonly [TreePath, Entry]> {
    if (this.version !== undefined) yield* entriesOf(this.#bee, this.version, onProblem)
  }

  /** What there is to be checked. */
  cores(): LogCores {
    return {
      entries: this.#entries,
      content: this.#content,
      hasPeers: () => this.#content.peers.length > 0,
      isPlaced: async (block) => (await this.places.lengthOf(block)) !== undefined,
      holds: async (extent) => isHere(this.#content, await this.#relocations(), extent),
      missing: async () => {
        const [head, entries] = [await this.head(), this.entries(() => {})]
        const relocations = () => this.#table.known(head, this.#content, () => false, AbortSignal.timeout(tableMsMax))
        return missingBlocks(this.#content, { head, entries, relocations })
      }
    }
  }

  /**
   * The contents that the entries name, also as far as only peers have them; to be closed.
   *
   * @param received tells the bytes received from all peers so far
   * @param patienceMs how long to wait while nothing comes; as long as it takes for a first peer, when left out
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

/** Of all blocks of a snapshot; none where they are too many, or one has none. */
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
