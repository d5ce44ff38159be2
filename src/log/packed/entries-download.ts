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
/** Beyond all blocks that a core will ever have: a range from here on asks for none but the latest. */
const nowhere = 2 ** 40
/** What is fetched at leisure comes in pieces that take so much longer than one block: what is live waits behind no more. */
const pieceMs = { min: 15, max: 40 } as const
/** After each, so many times as long is left to what is live. */
const restShare = 3
const pieceBlocks = { min: 64, max: 1024 } as const
/** Where there is always something else to do, one comes this often. */
const busyMsMax = 5000
const busyTickMs = 200

/** What was found unfit is remembered, so many times. */
const unfitMax = 16

/** What changed between two versions, where deltas tell of it. */
interface Changes {
  readonly from: Version
  readonly to: Version
  readonly stretches: readonly Stretch[]
}

/** A version that a snapshot, where there is one, and the changes since tell. */
interface Told {
  readonly snapshot: SnapshotPointer | undefined
  readonly changes: Changes
}

/**
 * Decides what to fetch of an entries core, and when. Block by block, a tree that isn't here costs a reader minutes;
 * all of its blocks cost it seconds. So it takes a snapshot and what has changed since, of many changes the deltas,
 * and the rest at leisure: history is made of it, and others get it from us.
 */
export class EntriesDownload {
  readonly #entries: Hypercore
  readonly #bee: Hyperbee
  readonly #content: () => Promise<Hypercore>
  readonly #stop = new AbortController()
  /** Has the latest block, which tells of its version, come along with each piece of news. */
  readonly #latest: Download
  /** How long the log is, as far as what it grew by was seen. */
  #length: number
  /** Ends what was asked for at once. */
  #fresh = new AbortController()
  #told: Told | undefined
  #changes: Changes | undefined
  #unfit: readonly Packed[] = []
  #filling: Promise<void> | undefined

  /** @param content gives the content core, when it is known */
  constructor(entries: Hypercore, bee: Hyperbee, content: () => Promise<Hypercore>) {
    this.#entries = entries
    this.#bee = bee
    this.#content = content
    this.#latest = entries.download({ start: nowhere, end: -1 })
    this.#length = entries.length
    entries.on('append', this.#onNews)
    entries.on('truncate', this.#onTruncate)
  }

  /** Asks for what is new at once, where it isn't so much that a delta may tell it. */
  readonly #onNews = (): void => {
    const [from, to] = [this.#length, this.#entries.length]
    this.#length = to
    if (from < to && to - from <= deltaEntriesMin) this.range(from, to, this.#fresh.signal).catch(() => {})
  }

  /** What was asked for may not come again. */
  readonly #onTruncate = (): void => {
    this.#fresh.abort()
    this.#fresh = new AbortController()
    this.#onNews()
  }

  /** What a version says of itself. Throws a `RangeError` when that can't be read. */
  head(version: Version, signal: AbortSignal = this.#stop.signal): Promise<Head> {
    const onSearch = () => this.range(0, version.length, signal).catch(() => {})
    return headOf(this.#bee, version, { signal, onSearch })
  }

  /** Resolves when all is here that tells the entries of a version. */
  async whole(version: Version, signal: AbortSignal): Promise<void> {
    const head = await this.head(version, signal)
    const snapshot = this.#fit(snapshotOf(head, version))
    const from = { fork: version.fork, length: snapshot?.length ?? headerLength }
    const changes = { from, to: version, stretches: this.#stretches(head, from, version) }
    const isTold = (await this.#isWorth(snapshot, changes)) && (await this.#take(snapshot, changes, signal))
    this.#told = isTold ? { snapshot, changes } : undefined
    if (!isTold) await this.range(0, version.length, signal)
  }

  async #isWorth(snapshot: SnapshotPointer | undefined, changes: Changes): Promise<boolean> {
    if (snapshot === undefined && !isPacked(changes)) return false
    if (!(await this.#entries.has(0, changes.to.length))) return true
    // All of the tree is here, but may be slower to read.
    return snapshot !== undefined && (await this.#content()).has(snapshot.block, snapshot.block + snapshot.blocks)
  }

  /** Resolves when all is here that tells what changed between two versions of one fork. */
  async since(from: Version, to: Version, signal: AbortSignal): Promise<void> {
    this.#changes = undefined
    this.#changes = await this.#takeSince(from, to, signal)
  }

  /** @returns by what it is told; by the tree alone where no delta is to be preferred */
  async #takeSince(from: Version, to: Version, signal: AbortSignal): Promise<Changes> {
    if (!(await this.#entries.has(from.length, to.length)) && to.length - from.length > deltaEntriesMin) {
      const stretches = this.#stretches(await this.head(to, signal), from, to)
      const changes = { from, to, stretches }
      if (isPacked(changes) && (await this.#take(undefined, changes, signal))) return changes
    }
    await this.range(from.length, to.length, signal)
    return { from, to, stretches: stretchesOf([], from.length, to.length) }
  }

  /** Everything that was said between two versions of one fork, in its order. @throws {UnfitSnapshot} */
  async *history(from: Version, to: Version, signal: AbortSignal): AsyncGenerator<LogEntry> {
    const { stretches } = await this.#takeSince(from, to, signal)
    for (const { delta, since, length } of stretches) {
      // A version says of each path one thing.
      if (delta) yield* this.#read(delta, readPacked(await this.#content(), delta))
      else yield* historyOf(this.#bee, since, { fork: to.fork, length })
    }
  }

  /** How to get to know what changed: by a delta, unless what it tells is little. */
  #stretches(head: Head, from: Version, to: Version): readonly Stretch[] {
    const deltas = deltasOf(head, to).filter((delta) => this.#fit(delta) !== undefined)
    return stretchesOf(deltas, from.length, to.length)
  }

  #fit<P extends Packed>(packed: P | undefined): P | undefined {
    const isUnfit = ({ block, entries }: Packed) => block === packed?.block && entries === packed.entries
    return this.#unfit.some(isUnfit) ? undefined : packed
  }

  /** Fetches what tells of a version, or of changes. @returns whether all of it could be had */
  async #take(snapshot: Packed | undefined, { stretches }: Changes, signal: AbortSignal): Promise<boolean> {
    const content = (await waitFor(this.#content(), signal)) as Hypercore
    const hasPeers = () => this.#entries.peers.length > 0
    const take = (packed: Packed) => this.#judged(packed, () => fetchPacked(content, packed, hasPeers, signal))
    try {
      await Promise.all([
        snapshot && take(snapshot),
        ...stretches.map(({ delta, since, length }) => (delta ? take(delta) : this.range(since, length, signal)))
      ])
      return true
    } catch (error) {
      signal.throwIfAborted() // What was cut short fails in many ways; this is why.
      if (!(error instanceof UnfitSnapshot)) throw error
      return false
    }
  }

  /** Does something with what is packed, which may turn out to be unfit, and isn't taken again then. */
  async #judged<T>(packed: Packed, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (error instanceof UnfitSnapshot) this.#unfit = [...this.#unfit, packed].slice(-unfitMax)
      throw error
    }
  }

  /** The entries of a version in the log's order, where they are told packed. @throws {UnfitSnapshot} */
  entries(version: Version, onProblem: (problem: Problem) => void): AsyncGenerator<SnapshotRow> | undefined {
    return this.#told && sameVersion(this.#told.changes.to, version) ? this.#tell(this.#told, onProblem) : undefined
  }

  async *#tell({ snapshot, changes }: Told, onProblem: (problem: Problem) => void): AsyncGenerator<SnapshotRow> {
    const content = await this.#content()
    const rows = snapshot ? this.#read(snapshot, readSnapshot(content, snapshot)) : none()
    let count = 0
    for await (const row of withChanges(rows, this.#tellChanges(changes, content, onProblem))) {
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
      yield* this.#tellChanges(known, await this.#content(), onProblem)
    else yield* changesOf(this.#bee, from, to, onProblem)
  }

  #tellChanges({ stretches, to }: Changes, content: Hypercore, onProblem: (problem: Problem) => void) {
    const at = (length: number) => ({ fork: to.fork, length })
    return changesIn(
      stretches.map(({ delta, since, length }) =>
        delta ? this.#read(delta, readPacked(content, delta)) : changesOf(this.#bee, at(since), at(length), onProblem)
      )
    )
  }

  async *#read<Row>(packed: Packed, rows: AsyncGenerator<Row>): AsyncGenerator<Row> {
    for (;;) {
      const { done, value } = await this.#judged(packed, () => rows.next())
      if (done) return
      yield value
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
    for (;;) {
      const { length, contiguousLength: start } = this.#entries
      if (start >= length) return
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
    const snapshot = this.#fit(snapshotOf(await this.head(version, signal), version))
    if (snapshot === undefined) return
    const hasPeers = () => this.#entries.peers.length > 0
    await this.#judged(snapshot, async () => fetchPacked(await this.#content(), snapshot, hasPeers, signal))
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
