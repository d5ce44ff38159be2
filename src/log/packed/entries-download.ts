import { setTimeout as sleep } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { Download } from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import type { SnapshotPointer, SnapshotRow } from '../../format/snapshot-codec.ts'
import { type Problem, sameVersion, type Version } from '../../tree/tree.ts'
import { waitFor } from '../async/wait-for.ts'
import { changesOf, headerLength, headOf, historyOf, type LogEntry } from '../bee/entries.ts'
import { changesIn, deltaEntriesMin, deltasOf, type Stretch, stretchesOf } from './deltas.ts'
import {
  fetchPacked,
  type Packed,
  readPacked,
  readSnapshot,
  snapshotOf,
  UnfitSnapshot,
  withChanges
} from './snapshot.ts'

const askAgainMs = 5000
/** Beyond all blocks that a core will ever have: a range from here on requests the latest block alone. */
const beyondAll = 2 ** 40
/** Background pieces are sized to take this much longer than one block: live requests wait behind no more. */
const pieceMs = { min: 15, max: 40 } as const
/** After each piece, live requests get this many times as long. */
const liveShare = 3
const pieceBlocks = { min: 64, max: 1024 } as const
/** While live requests never end, a piece is fetched this often. */
const pieceGapMsMax = 5000
const busyTickMs = 200

/** How many unfit snapshots and deltas are remembered. */
const unfitMax = 16

/** The stretches that tell the changes between two versions. */
interface Changes {
  readonly from: Version
  readonly to: Version
  readonly stretches: readonly Stretch[]
}

/** A version, told by a snapshot and the changes since, or by changes alone. */
interface PackedVersion {
  readonly snapshot: SnapshotPointer | undefined
  readonly changes: Changes
}

/**
 * Decides what to fetch of an entries core, and when. Read block by block, a missing tree costs a reader minutes; all
 * of its blocks cost seconds. So this fetches a snapshot and the changes since, large changes as deltas, and the rest
 * in the background: for history, and for other readers.
 */
export class EntriesDownload {
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  readonly #content: () => Promise<Hypercore>
  readonly #stop = new AbortController()
  /** Requests the latest block, which holds the head, with each announced length. */
  readonly #latest: Download
  /** Length of the log when news of it was last handled. */
  #length: number
  /** Aborts the requests for new blocks. */
  #fresh = new AbortController()
  #packed: PackedVersion | undefined
  #changes: Changes | undefined
  #unfit: readonly Packed[] = []
  #filling: Promise<void> | undefined

  /** @param content the content core, once its key is known */
  constructor(entries: Hypercore, bee: Hyperbee, content: () => Promise<Hypercore>) {
    this.#entries = entries
    this.#bee = bee
    this.#content = content
    this.#latest = entries.download({ start: beyondAll, end: -1 })
    this.#length = entries.length
    entries.on('append', this.#onNews)
    entries.on('truncate', this.#onTruncate)
  }

  /** Requests new blocks at once, unless there are enough for a delta. */
  readonly #onNews = (): void => {
    const [from, to] = [this.#length, this.#entries.length]
    this.#length = to
    if (from < to && to - from <= deltaEntriesMin) this.range(from, to, this.#fresh.signal).catch(() => {})
  }

  /** Blocks of the previous fork may never come. */
  readonly #onTruncate = (): void => {
    this.#fresh.abort()
    this.#fresh = new AbortController()
    this.#onNews()
  }

  /** The head of a version. Throws a `RangeError` if it can't be read. */
  head(version: Version, signal: AbortSignal = this.#stop.signal): Promise<Head> {
    const onSearch = () => this.range(0, version.length, signal).catch(() => {})
    return headOf(this.#bee, version, { signal, onSearch })
  }

  /** Resolves when everything is here that tells the entries of a version. */
  async whole(version: Version, signal: AbortSignal): Promise<void> {
    const head = await this.head(version, signal)
    const snapshot = this.#fit(snapshotOf(head, version))
    const from = { fork: version.fork, length: snapshot?.length ?? headerLength }
    const changes = { from, to: version, stretches: this.#stretches(head, from, version) }
    const isPackedHere = (await this.#isWorth(snapshot, changes)) && (await this.#take(snapshot, changes, signal))
    this.#packed = isPackedHere ? { snapshot, changes } : undefined
    if (!isPackedHere) await this.range(0, version.length, signal)
  }

  async #isWorth(snapshot: SnapshotPointer | undefined, changes: Changes): Promise<boolean> {
    if (snapshot === undefined && !isPacked(changes)) return false
    if (!(await this.#entries.has(0, changes.to.length))) return true
    // The whole tree is here, but may be slower to read.
    return snapshot !== undefined && (await this.#content()).has(snapshot.block, snapshot.block + snapshot.blocks)
  }

  /** Resolves when everything is here that tells the changes between two versions of one fork. */
  async since(from: Version, to: Version, signal: AbortSignal): Promise<void> {
    this.#changes = undefined
    this.#changes = await this.#takeSince(from, to, signal)
  }

  /** @returns the stretches that tell the changes; the tree alone if no delta is better */
  async #takeSince(from: Version, to: Version, signal: AbortSignal): Promise<Changes> {
    if (!(await this.#entries.has(from.length, to.length)) && to.length - from.length > deltaEntriesMin) {
      const stretches = this.#stretches(await this.head(to, signal), from, to)
      const changes = { from, to, stretches }
      if (isPacked(changes) && (await this.#take(undefined, changes, signal))) return changes
    }
    await this.range(from.length, to.length, signal)
    return { from, to, stretches: stretchesOf([], from.length, to.length) }
  }

  /** Each change between two versions of one fork, in order. @throws {UnfitSnapshot} */
  async *history(from: Version, to: Version, signal: AbortSignal): AsyncGenerator<LogEntry> {
    const { stretches } = await this.#takeSince(from, to, signal)
    for (const { delta, since, length } of stretches) {
      // A version changes each path once.
      if (delta) yield* this.#read(delta, readPacked(await this.#content(), delta))
      else yield* historyOf(this.#bee, since, { fork: to.fork, length })
    }
  }

  /** Covers the changes by deltas, except those known to be unfit. */
  #stretches(head: Head, from: Version, to: Version): readonly Stretch[] {
    const deltas = deltasOf(head, to).filter((delta) => this.#fit(delta) !== undefined)
    return stretchesOf(deltas, from.length, to.length)
  }

  #fit<P extends Packed>(packed: P | undefined): P | undefined {
    const isUnfit = ({ block, entries }: Packed) => block === packed?.block && entries === packed.entries
    return this.#unfit.some(isUnfit) ? undefined : packed
  }

  /** Fetches a snapshot, and the stretches of changes. @returns whether everything was to be had */
  async #take(snapshot: Packed | undefined, { stretches }: Changes, signal: AbortSignal): Promise<boolean> {
    const content = await waitFor(this.#content(), signal)
    const hasPeers = () => this.#entries.peers.length > 0
    const take = (packed: Packed) => this.#rememberUnfit(packed, () => fetchPacked(content, packed, hasPeers, signal))
    try {
      await Promise.all([
        snapshot && take(snapshot),
        ...stretches.map(({ delta, since, length }) => (delta ? take(delta) : this.range(since, length, signal)))
      ])
      return true
    } catch (error) {
      signal.throwIfAborted() // An aborted request fails in many ways; the reason is this.
      if (!(error instanceof UnfitSnapshot)) throw error
      return false
    }
  }

  /** Runs an action on a snapshot or delta, and remembers it as unfit if it turns out so. */
  async #rememberUnfit<T>(packed: Packed, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (error instanceof UnfitSnapshot) this.#unfit = [...this.#unfit, packed].slice(-unfitMax)
      throw error
    }
  }

  /** The entries of a version in the log's order, if a snapshot or deltas tell them. @throws {UnfitSnapshot} */
  entries(version: Version, onProblem: (problem: Problem) => void): AsyncGenerator<SnapshotRow> | undefined {
    return this.#packed && sameVersion(this.#packed.changes.to, version)
      ? this.#readVersion(this.#packed, onProblem)
      : undefined
  }

  async *#readVersion(
    { snapshot, changes }: PackedVersion,
    onProblem: (problem: Problem) => void
  ): AsyncGenerator<SnapshotRow> {
    const content = await this.#content()
    const rows = snapshot ? this.#read(snapshot, readSnapshot(content, snapshot)) : none()
    let count = 0
    for await (const row of withChanges(rows, this.#readChanges(changes, content, onProblem))) {
      count++
      yield row
    }
    const { files, directories, symlinks } = await this.head(changes.to)
    const expected = files + directories + symlinks
    if (count === expected) return
    const deltas = changes.stretches.flatMap(({ delta }) => delta ?? [])
    this.#unfit = [...this.#unfit, ...(snapshot ? [snapshot] : []), ...deltas].slice(-unfitMax)
    throw new UnfitSnapshot(`${count} entries rather than ${expected}`)
  }

  /** What changed between two versions of one fork, in the log's order. @throws {UnfitSnapshot} */
  async *changes(from: Version, to: Version, onProblem: (problem: Problem) => void): AsyncGenerator<LogEntry> {
    const known = this.#changes
    if (known && isPacked(known) && sameVersion(known.from, from) && sameVersion(known.to, to))
      yield* this.#readChanges(known, await this.#content(), onProblem)
    else yield* changesOf(this.#bee, from, to, onProblem)
  }

  #readChanges({ stretches, to }: Changes, content: Hypercore, onProblem: (problem: Problem) => void) {
    const at = (length: number) => ({ fork: to.fork, length })
    return changesIn(
      stretches.map(({ delta, since, length }) =>
        delta ? this.#read(delta, readPacked(content, delta)) : changesOf(this.#bee, at(since), at(length), onProblem)
      )
    )
  }

  async *#read<Row>(packed: Packed, rows: AsyncGenerator<Row>): AsyncGenerator<Row> {
    for (;;) {
      const { done, value } = await this.#rememberUnfit(packed, () => rows.next())
      if (done) return
      yield value
    }
  }

  /** Resolves when blocks are here. Reading missing blocks one by one would be a round trip each. */
  async range(start: number, end: number, signal: AbortSignal): Promise<void> {
    while (!(await this.#entries.has(start, end))) {
      const range = this.#entries.download({ start, end })
      // Requested again now and then: the peer that was asked may have left.
      await waitFor(range.done(), signal, { ms: askAgainMs }).finally(() => range.destroy())
    }
  }

  /**
   * Fetches in the background, for other readers: the snapshot that a version names, and the missing part of the log.
   *
   * @param isIdle whether nothing else is to be fetched now
   */
  fill(version: Version, isIdle: () => boolean): void {
    this.#filling ??= this.#fill(version, isIdle)
      .catch(() => {}) // A failure shows where the blocks are needed.
      .finally(() => {
        this.#filling = undefined
      })
  }

  async #fill(version: Version, isIdle: () => boolean): Promise<void> {
    const { signal } = this.#stop
    await this.#takeSnapshot(version, signal).catch(() => {})
    let count: number = pieceBlocks.min
    let quickestMs = Number.POSITIVE_INFINITY
    let lastMs = performance.now()
    for (;;) {
      const { length, contiguousLength: start } = this.#entries
      if (start >= length) return
      if (!isIdle() && performance.now() - lastMs < pieceGapMsMax) {
        await sleep(busyTickMs, undefined, { signal, ref: false })
        continue
      }
      const startMs = performance.now()
      await this.range(start, Math.min(start + count, length), signal)
      lastMs = performance.now()
      const tookMs = lastMs - startMs
      quickestMs = Math.min(quickestMs, tookMs)
      if (tookMs - quickestMs < pieceMs.min) count = Math.min(2 * count, pieceBlocks.max)
      else if (tookMs - quickestMs > pieceMs.max) count = Math.max(count / 2, pieceBlocks.min)
      await sleep(Math.ceil(liveShare * tookMs), undefined, { signal, ref: false })
    }
  }

  async #takeSnapshot(version: Version, signal: AbortSignal): Promise<void> {
    const snapshot = this.#fit(snapshotOf(await this.head(version, signal), version))
    if (snapshot === undefined) return
    const hasPeers = () => this.#entries.peers.length > 0
    await this.#rememberUnfit(snapshot, async () => fetchPacked(await this.#content(), snapshot, hasPeers, signal))
  }

  close(): void {
    this.#stop.abort()
    this.#fresh.abort()
    this.#latest.destroy()
    this.#entries.off('append', this.#onNews)
    this.#entries.off('truncate', this.#onTruncate)
  }
}

function isPacked({ stretches }: Changes): boolean {
  return stretches.some(({ delta }) => delta)
}

async function* none(): AsyncGenerator<never> {}
