import b4a from 'b4a'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { encodeEntry } from '../format/entry-codec.ts'
import { encodeHead, type Head, headKey } from '../format/head-codec.ts'
import { reached } from '../steps.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Problem, Version } from '../tree/tree.ts'
import { beeOf, entriesOf, headOf, versionOf } from './entries.ts'
import { type LogStore, printKey } from './store.ts'

/** The log of a folder, seen from the one who writes it. */
export class LogWriter {
  readonly #entries: Hypercore
  readonly #content: Hypercore
  readonly #bee: Hyperbee

  private constructor(entries: Hypercore, content: Hypercore) {
    this.#entries = entries
    this.#content = content
    this.#bee = beeOf(entries, content.key)
  }

  static async open(store: LogStore): Promise<LogWriter> {
    const entries = await store.named('entries')
    const content = await store.named('content')
    const writer = new LogWriter(entries, content)
    await writer.#bee.ready()
    return writer
  }

  /** The key under which readers find and follow the folder. */
  get key(): string {
    return printKey(this.#entries.key)
  }

  /** The topic under which peers find each other: known to whoever has the key, and to the DHT. */
  get topic(): Buffer {
    return this.#entries.discoveryKey
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
   * Starts a new fork of both cores. After an end that wasn't clean, readers may know more than we do;
   * appending to a shorter log would make them close it for ever, while a new fork they follow.
   */
  async startFork(): Promise<void> {
    for (const core of [this.#content, this.#entries]) {
      if (core.length > 0) await core.truncate(core.length, { fork: core.fork + 1 })
      reached('core-forked')
    }
  }

  /** Appends blocks to the content core, all or none; the first gets the index `content.length`. */
  async appendBlocks(blocks: readonly Uint8Array[]): Promise<void> {
    if (blocks.length > 0) await this.#content.append(blocks)
  }

  /** A block of the content core. */
  async block(index: number): Promise<Uint8Array> {
    const block = await this.#content.get(index, { wait: false })
    if (block === null) throw new RangeError(`Block ${index} is not in the store`)
    return block
  }

  /** Makes a version: all changes in one atomic append. An entry of `undefined` removes the path. */
  async commit(changes: ReadonlyMap<TreePath, Entry | undefined>, head: Head): Promise<Version> {
    const batch = this.#bee.batch()
    try {
      await batch.put(b4a.from(headKey), encodeHead(head))
      for (const [path, entry] of changes) {
        if (entry === undefined) await batch.del(b4a.from(path))
        else await batch.put(b4a.from(path), encodeEntry(entry))
      }
      reached('version-ready')
      await batch.flush()
      reached('version-made')
    } catch (error) {
      await batch.close()
      throw error
    }
    return this.version as Version
  }

  /** What the latest version says of itself. */
  async head(): Promise<Head | undefined> {
    return this.version === undefined ? undefined : await headOf(this.#bee, this.version)
  }

  /** All entries of the latest version. */
  async *entries(onProblem: (problem: Problem) => void): AsyncGenerator<readonly [TreePath, Entry]> {
    if (this.version !== undefined) yield* entriesOf(this.#bee, this.version, onProblem)
  }

  async close(): Promise<void> {
    await this.#bee.close()
    await this.#content.close()
  }
}
