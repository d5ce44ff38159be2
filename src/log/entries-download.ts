import { setTimeout as sleep } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Download } from 'hypercore'
import type { Head } from '../format/head-codec.ts'
import type { SnapshotPointer, SnapshotRow } from '../format/snapshot-codec.ts'
import { type Problem, sameVersion, type Version } from '../tree/tree.ts'
import { changesOf, headerLength, headOf } from './entries.ts'
import { fetchSnapshot, readSnapshot, snapshotOf, UnfitSnapshot, withChanges } from './snapshot.ts'
import { waitFor } from './waiting.ts'

const askAgainMs = 5000
/** Beyond all blocks that a core will ever have: a range from here on asks for none but the latest. */
const nowhere = 2 ** 40
/** What is fetched at leisure comes in pieces that take so much longer than one block: what is live waits behind no more. */
const pieceMs = { min: 15, max: 40 } as const
/** After each, so many times as long is left to what is live. */
const restShare = 1
const pieceBlocks = { min: 64, max: 1024 } as const
/** Where there is always something else to do, one comes this often. */
const busyMsMax = 5000
const busyTickMs = 200

/** A version that a snapshot and the changes since tell. */
interface Told {
  readonly version: Version
  readonly pointer: SnapshotPointer
  readonly content: Hypercore
}

/**
 * Decides what to fetch of an entries core, and when. Block by block, a tree that isn't here costs a reader minutes;
 * all of its blocks cost it seconds. So it takes a snapshot and what has changed since where there is one, and the
 * rest at leisure: history is made of it, and others get it from us.
 */
export class EntriesDownload {
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  readonly #content: () => Promise<Hypercore>
  readonly #stop = new AbortController()
  /** Has the latest block, which tells of its version, come along with each piece of news. */
  readonly #latest: Download
  /** All there is, and will be. */
  #all: Download | undefined
  #told: Told | undefined
  #unfit: SnapshotPointer | undefined
  #filling: Promise<void> | undefined

  /** @param content gives the content core, when it is known */
  constructor(entries: Hypercore, bee: Hyperbee, content: () => Promise<Hypercore>) {
    this.#entries = entries
    this.#bee = bee
    this.#content = content
    this.#latest = entries.download({ start: nowhere, end: -1 })
    if (entries.length > headerLength && entries.contiguousLength === entries.length) this.#takeAll()
  }

  /** What a version says of itself. Throws a `RangeError` when that can't be read. */
  head(version: Version, signal?: AbortSignal): Promise<Head> {
    return headOf(this.#bee, version, { signal, onSearch: () => this.#takeAll() })
  }

  /** Resolves when all is here that tells the entries of a version. */
  async whole(version: Version, signal: AbortSignal): Promise<void> {
    const pointer = snapshotOf(await this.head(version, signal), version)
    this.#told = undefined
    try {
      if (pointer && !isSame(pointer, this.#unfit) && (await this.#bySnapshot(version, pointer, signal))) return
    } catch (error) {
      signal.throwIfAborted() // What was cut short fails in many ways; this is why.
      if (!(error instanceof UnfitSnapshot)) throw error
      this.#unfit = pointer
    }
    this.#takeAll()
    await this.range(0, version.length, signal)
  }

  /** @returns whether the snapshot was to be preferred */
  async #bySnapshot(version: Version, pointer: SnapshotPointer, signal: AbortSignal): Promise<boolean> {
    const content = (await waitFor(this.#content(), signal)) as Hypercore
    const isHere = await content.has(pointer.block, pointer.block + pointer.blocks)
    if (!isHere && (await this.#entries.has(0, version.length))) return false
    await Promise.all([
      this.range(pointer.length, version.length, signal),
      fetchSnapshot(content, pointer, () => this.#entries.peers.length > 0, signal)
    ])
    this.#told = { version, pointer, content }
    return true
  }

  /** The entries of a version in the log's order, where a snapshot tells them. @throws {UnfitSnapshot} */
  told(version: Version, onProblem: (problem: Problem) => void): AsyncGenerator<SnapshotRow> | undefined {
    return this.#told && sameVersion(this.#told.version, version) ? this.#tell(this.#told, onProblem) : undefined
  }

  async *#tell(
    { version, pointer, content }: Told,
    onProblem: (problem: Problem) => void
  ): AsyncGenerator<SnapshotRow> {
    const since = { fork: version.fork, length: pointer.length }
    let count = 0
    try {
      for await (const row of withChanges(
        readSnapshot(content, pointer),
        changesOf(this.#bee, since, version, onProblem)
      )) {
        count++
        yield row
      }
      const { files, directories, symlinks } = await this.head(version)
      const expected = files + directories + symlinks
      if (count !== expected) throw new UnfitSnapshot(`${count} entries rather than ${expected}`)
    } catch (error) {
      if (error instanceof UnfitSnapshot) {
        this.#unfit = pointer
        this.#told = undefined
      }
      throw error
    }
  }

  /** Resolves when blocks are here. Reading them one by one as they come would be a round trip each. */
  async range(start: number, end: number, signal: AbortSignal): Promise<void> {
    while (!(await this.#entries.has(start, end))) {
      const range = this.#entries.download({ start, end })
      // Asked for anew now and then: a peer may have gone with what it was asked for.
      await waitFor(range.done(), signal, { ms: askAgainMs }).finally(() => range.destroy())
    }
  }

  /**
   * Fetches at leisure what nobody waits for, so that others can have it from here: the snapshot that a version names,
   * and what is missing of the log.
   *
   * @param isIdle whether nothing else is to be fetched now
   */
  fill(version: Version, isIdle: () => boolean): void {
    this.#filling ??= this.#fill(version, isIdle)
      .catch(() => {}) // What keeps it from coming is met where it is needed.
      .finally(() => {
        this.#filling = undefined
      })
  }

  async #fill(version: Version, isIdle: () => boolean): Promise<void> {
    const { signal } = this.#stop
    await this.#takeSnapshot(version, signal).catch(() => {})
    let count: number = pieceBlocks.min
    let leastMs = Number.POSITIVE_INFINITY
    let lastMs = performance.now()
    while (this.#all === undefined) {
      const { length, contiguousLength: start } = this.#entries
      if (start >= length) return this.#takeAll()
      if (!isIdle() && performance.now() - lastMs < busyMsMax) {
        await sleep(busyTickMs, undefined, { signal, ref: false })
        continue
      }
      const startMs = performance.now()
      await this.range(start, Math.min(start + count, length), signal)
      lastMs = performance.now()
      const tookMs = lastMs - startMs
      leastMs = Math.min(leastMs, tookMs)
      if (tookMs - leastMs < pieceMs.min) count = Math.min(2 * count, pieceBlocks.max)
      else if (tookMs - leastMs > pieceMs.max) count = Math.max(count / 2, pieceBlocks.min)
      await sleep(Math.ceil(restShare * tookMs), undefined, { signal, ref: false })
    }
  }

  async #takeSnapshot(version: Version, signal: AbortSignal): Promise<void> {
    const pointer = snapshotOf(await this.head(version, signal), version)
    if (pointer === undefined || isSame(pointer, this.#unfit)) return
    // The blocks of the one before are of no more use from here on: the place to clear them.
    await fetchSnapshot(await this.#content(), pointer, () => this.#entries.peers.length > 0, signal)
  }

  #takeAll(): void {
    this.#all ??= this.#entries.download({ start: 0, end: -1 })
  }

  close(): void {
    this.#stop.abort()
    this.#latest.destroy()
    this.#all?.destroy()
  }
}

function isSame(a: SnapshotPointer, b: SnapshotPointer | undefined): boolean {
  return a.block === b?.block && a.length === b.length
}
