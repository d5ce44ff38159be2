import { setTimeout as sleep } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { messageOf, SyncError } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { ContentReader } from './content.ts'
import { beeOf, changesOf, entriesOf, headOf, historyOf, type LogEntry, versionOf } from './entries.ts'
import { type LogStore, parseKey } from './store.ts'

// Hypercore's own window begins at 16 requests; measured at 40 ms and 0.5 % loss, 64 gives a third more.
const contentInFlight = [64, 512] as const
// A Hyperbee's blocks are one entry each, so a cold reader needs a wide window.
const entriesInFlight = [512, 2048] as const

const askAgainMs = 5000

/** The log of a folder, seen from one who follows it. */
export class LogReader {
  readonly #store: LogStore
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  #content: Promise<Hypercore> | undefined

  private constructor(store: LogStore, entries: Hypercore) {
    this.#store = store
    this.#entries = entries
    this.#bee = beeOf(entries)
  }

  /** Opens the log with this key. @throws {SyncError} BAD_KEY */
  static async open(store: LogStore, key: string): Promise<LogReader> {
    const entries = await store.keyed(parseKey(key))
    const reader = new LogReader(store, entries)
    await reader.#bee.ready()
    entries.replicator.setInflightRange(...entriesInFlight)
    reader.#watchOver(entries)
    // All of it, for ever: reading block by block costs a round trip each, and other readers get it from us.
    entries.download({ start: 0, end: -1 })
    // Replication of the content begins as soon as its key is known, for those who read from us too.
    reader.#contentCore().catch(() => {})
    return reader
  }

  /** The topic under which peers find each other. */
  get topic(): Buffer {
    return this.#entries.discoveryKey
  }

  /** The latest version known here, or `undefined` before the first. */
  get version(): Version | undefined {
    return versionOf(this.#entries)
  }

  /** How far the log has come; grows with everything that arrives of it. */
  async received(): Promise<number> {
    const content = this.#content === undefined ? undefined : await Promise.race([this.#content, undefined])
    return this.#entries.length + (content?.length ?? 0)
  }

  /** Calls `listener` whenever the latest version may have changed. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    const events = ['append', 'truncate', 'peer-add', 'peer-remove'] as const
    for (const event of events) this.#entries.on(event, listener)
    return () => {
      for (const event of events) this.#entries.off(event, listener)
    }
  }

  /** Called with what keeps the log from coming at all. */
  onFailure: (error: SyncError) => void = () => {}

  /** Hypercore tells of a full disk, and of a log with two histories, by events alone. */
  #watchOver(core: Hypercore): void {
    core.on('verification-error', (error: Error) => {
      const cause = messageOf(error.cause ?? error)
      if (!/no space left|quota/i.test(cause)) return
      this.onFailure(
        new SyncError('DISK_FULL', 'No space left for the log. It goes on when there is', { cause: error })
      )
    })
    core.on('conflict', () => {
      const message =
        'The log has two histories: its writer went back to an older state. Nothing of it is taken any more'
      this.onFailure(new SyncError('DAMAGED', message))
    })
  }

  /** Whether anybody is connected who follows the log too, or writes it. */
  get hasPeers(): boolean {
    return this.#entries.peers.length > 0
  }

  /** Whether at least one peer is connected and none of them knows of a later version than `version`. */
  isNewest(version: Version | undefined): boolean {
    const peers = this.#entries.peers.filter((peer) => peer.remoteOpened && peer.remoteSynced)
    const fork = version?.fork ?? 0
    const length = version?.length ?? 0
    return (
      peers.length > 0 &&
      peers.every((peer) => peer.remoteFork < fork || (peer.remoteFork === fork && peer.remoteLength <= length))
    )
  }

  /**
   * Resolves when all entries of a version are here. Reading them one by one as they come would be a
   * round trip each, and slower ten times over.
   */
  async fetch(version: Version, signal: AbortSignal): Promise<void> {
    while (!(await this.#entries.has(0, version.length))) {
      const range = this.#entries.download({ start: 0, end: version.length })
      // Asked for anew now and then: a peer may have gone with what it was asked for.
      await Promise.race([range.done(), sleep(askAgainMs, undefined, { signal, ref: false })])
      range.destroy()
    }
  }

  head(version: Version): Promise<Head> {
    return headOf(this.#bee, version)
  }

  /** All entries of a version. */
  entriesAt(version: Version, onProblem: (problem: Problem) => void): AsyncIterable<readonly [TreePath, Entry]> {
    return entriesOf(this.#bee, version, onProblem)
  }

  /** What changed between two versions of one fork. */
  changes(from: Version, to: Version, onProblem: (problem: Problem) => void): AsyncIterable<LogEntry> {
    return changesOf(this.#bee, from, to, onProblem)
  }

  /** Everything that was said from a length on up to a version, one thing after the other. */
  history(fromLength: number, to: Version): AsyncIterable<LogEntry> {
    return historyOf(this.#bee, fromLength, to)
  }

  /**
   * The contents that the entries name, for one pass; to be closed after it.
   *
   * @param received tells the bytes received from all peers so far
   */
  async content(received: () => number): Promise<ContentReader> {
    return new ContentReader(await this.#contentCore(), { received, hasPeers: () => this.hasPeers })
  }

  async close(): Promise<void> {
    await this.#bee.close()
    // Not awaited: before the first block has come, nobody knows which core it is.
    this.#content?.then((core) => core.close()).catch(() => {})
  }

  #contentCore(): Promise<Hypercore> {
    if (this.#content === undefined) {
      this.#content = this.#openContent()
      // Asked for again, it may come.
      this.#content.catch(() => {
        this.#content = undefined
      })
    }
    return this.#content
  }

  async #openContent(): Promise<Hypercore> {
    const header = await this.#bee.getHeader()
    const key = header.metadata?.contentFeed
    if (key === undefined || key === null || key.length !== 32) throw new RangeError('The log names no content core')
    const core = await this.#store.keyed(key)
    core.replicator.setInflightRange(...contentInFlight)
    this.#watchOver(core)
    return core
  }
}
