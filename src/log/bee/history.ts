import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { decodeHead, type Head, headKey } from '../../format/head-codec.ts'
import { isBeneath, type TreePath } from '../../tree/path.ts'
import type { Version } from '../../tree/tree.ts'
import { type Block, decodeBlock, isPut, MissingBlock } from './bee-view.ts'
import { blocksOf, keyIn, piecesOf, type RawBlock, type Run } from './blocks.ts'
import { headerLength, isOurs, type LogEntry, readEntry, readPath } from './entries.ts'

/** A version with its head and the paths that it changes, each once. */
export interface VersionReport {
  readonly version: Version
  readonly head: Head
  /** Length of the log at the version before it; the header's length for the first. */
  readonly before: number
  readonly changes: readonly LogEntry[]
}

/** Fetches missing blocks. */
export type Fetch = (start: number, end: number) => Promise<void>

export interface HistoryOptions {
  readonly fetch: Fetch
  /** Reports only versions that change this path, or one beneath it, with only the changes that concern it. */
  readonly path?: TreePath | ''
  /** The blocks to read; all of them when left out. */
  readonly parts?: readonly Run[] | undefined
}

interface PathChange {
  readonly block: Block
  readonly isPut: boolean
  readonly isWanted: boolean
}

const head = Buffer.from(headKey)
/** Blocks fetched at once when reading backwards, version by version. */
const fetchedAtOnce = 1024
/** Blocks read at first: most versions are small. */
const blocksAtFirst = 16
/** Problems are reported when the version itself is read. */
const unreported = () => {}

/**
 * The versions after a length, up to one, the oldest first. Reads all blocks that were appended.
 * Throws a `RangeError` if one is no block of a Hyperbee.
 */
export async function* versionsSince(
  core: Hypercore,
  from: number,
  to: Version,
  { fetch, path = '', parts }: HistoryOptions
): AsyncGenerator<VersionReport> {
  const start = Math.max(from, headerLength)
  if (start >= to.length) return
  await fetch(start, to.length)
  const collector = new VersionCollector(to.fork, start, path === '' ? undefined : Buffer.from(path))
  for await (const piece of piecesOf(core, parts ?? [{ start, end: to.length }])) {
    for (const raw of piece) {
      // For most blocks the key is enough.
      const key = keyIn(raw.bytes)
      if (!head.equals(key)) {
        collector.add(raw, key)
        continue
      }
      const batch = decodeHead(decodeBlock(raw.bytes).value ?? b4a.alloc(0))
      if (batch.before === 0 && (await headsComeFirst(core))) yield* collector.begin(batch, raw.seq)
      // An unfinished batch belongs to the version that a later one finishes.
      else if (!batch.unfinished) yield* collector.end(batch, raw.seq + 1)
    }
  }
  yield* collector.finish(to.length)
}

/** Gathers blocks, version by version. */
class VersionCollector {
  readonly #fork: number
  readonly #path: Buffer | undefined
  #blocks: RawBlock[] = []
  /** Blocks that concern the path. */
  #wanted: number[] = []
  #before: number
  /** The head of an earlier writer's version, whose changes follow. */
  #begun: Head | undefined

  constructor(fork: number, start: number, path: Buffer | undefined) {
    this.#fork = fork
    this.#before = start
    this.#path = path
  }

  add(raw: RawBlock, key: Uint8Array): void {
    this.#blocks.push(raw)
    if (this.#path !== undefined && isAtOrBeneath(key, this.#path)) this.#wanted.push(raw.seq)
  }

  /** A head that precedes the changes of its version. */
  *begin(of: Head, length: number): Generator<VersionReport> {
    yield* this.finish(length)
    this.#begun = of
  }

  /** A head that follows the changes of its version. */
  *end(of: Head, length: number): Generator<VersionReport> {
    yield* this.finish(of.before)
    yield* this.#report(of, length)
  }

  /** Ends the version that `begin` began. */
  *finish(length: number): Generator<VersionReport> {
    if (this.#begun !== undefined) yield* this.#report(this.#begun, length)
    this.#begun = undefined
  }

  *#report(of: Head, length: number): Generator<VersionReport> {
    const [own, rest] = split(this.#blocks, length)
    const isWanted = this.#path === undefined || this.#wanted.some((seq) => seq < length)
    if (isWanted) {
      const changes = changesIn(own, this.#path)
      yield { version: { fork: this.#fork, length }, head: of, before: this.#before, changes }
    }
    this.#blocks = rest
    this.#wanted = this.#wanted.filter((seq) => seq >= length)
    this.#before = length
  }
}

/** The blocks before a length, and those from it on; none of those if heads come last. */
function split(blocks: RawBlock[], length: number): readonly [RawBlock[], RawBlock[]] {
  if ((blocks.at(-1)?.seq ?? 0) < length) return [blocks, []]
  return [blocks.filter(({ seq }) => seq < length), blocks.filter(({ seq }) => seq >= length)]
}

/** The versions after a length, up to one, the newest first. Throws a `RangeError` if a version has no head. */
export async function* versionsBack(
  core: Hypercore,
  after: number,
  from: Version,
  { fetch, path = '', ...options }: HistoryOptions
): AsyncGenerator<VersionReport> {
  let here = from.length
  const first = Math.max(after, headerLength)
  for (let end = from.length; end > first; ) {
    if (end <= here) {
      here = Math.max(headerLength, end - fetchedAtOnce)
      await fetch(here, end)
    }
    // Which versions changed a path, or where an earlier writer's versions begin, is known only after reading all.
    const isAll = path !== '' || (await isOfEarlierWriter(core, end))
    const start = isAll ? first : await previousEnd(core, end, fetch)
    const reports: VersionReport[] = []
    const to = { fork: from.fork, length: end }
    for await (const one of versionsSince(core, start, to, { fetch, path, ...options })) reports.push(one)
    yield* reports.reverse()
    end = start
  }
}

/** The end of the version before the one that ends at a length; the header's length for the first. */
export async function previousEnd(core: Hypercore, end: number, fetch: Fetch): Promise<number> {
  if (await isOfEarlierWriter(core, end)) {
    let previous = headerLength
    for await (const { before } of versionsSince(core, headerLength, { fork: core.fork, length: end }, { fetch }))
      previous = before
    return previous
  }
  const last = await blockAt(core, end - 1)
  if (!last.key.equals(head)) throw new RangeError('a version without a head')
  const { before } = decodeHead(last.value ?? b4a.alloc(0))
  return before >= headerLength && before < end ? before : headerLength
}

/** The end of the first version that ends at or after a length, and not beyond another; `undefined` if none does. */
export async function endAtOrAfter(
  core: Hypercore,
  length: number,
  lengthMax: number,
  fetch: Fetch
): Promise<number | undefined> {
  let count = blocksAtFirst
  for (let seq = Math.max(length - 1, headerLength); seq < lengthMax; seq += count) {
    if (seq > length) count = Math.min(2 * count, fetchedAtOnce)
    const end = Math.min(seq + count, lengthMax)
    await fetch(seq, end)
    for await (const { seq: at, block } of blocksOf(core, seq, end)) {
      if (!block.key.equals(head)) continue
      const ended = await endBy(core, at, decodeHead(block.value ?? b4a.alloc(0)), length)
      if (ended !== undefined) return ended
    }
  }
  return length <= lengthMax && (await headsComeFirst(core)) ? lengthMax : undefined
}

/** The end of a version, at or after a length, that the head in a block implies. */
async function endBy(core: Hypercore, at: number, { unfinished, before }: Head, length: number) {
  // An earlier writer's version, whose end only the next head tells.
  if (before > headerLength && before >= length) return before
  if (before === 0 && (await headsComeFirst(core))) return at > headerLength && at >= length ? at : undefined
  return unfinished ? undefined : at + 1
}

/**
 * Whether an earlier writer began the log: each of its versions has its head first, and doesn't name the one before.
 */
export async function headsComeFirst(core: Hypercore): Promise<boolean> {
  const { key, value } = await blockAt(core, headerLength)
  if (!key.equals(head)) return false
  const { puts, removals } = decodeHead(value ?? b4a.alloc(0))
  return puts + removals > 0
}

async function isOfEarlierWriter(core: Hypercore, end: number): Promise<boolean> {
  const { key, value } = await blockAt(core, end - 1)
  const namesPrevious = key.equals(head) && decodeHead(value ?? b4a.alloc(0)).before > 0
  return !namesPrevious && (await headsComeFirst(core))
}

async function blockAt(core: Hypercore, seq: number): Promise<Block> {
  const bytes = await core.get(seq)
  if (bytes === null) throw new MissingBlock()
  return decodeBlock(bytes)
}

function isAtOrBeneath(key: Uint8Array, path: Buffer): boolean {
  if (key.length < path.length || Buffer.compare(key.subarray(0, path.length), path) !== 0) return false
  return key.length === path.length || key[path.length] === 0x2f
}

/**
 * The changes in some blocks: each path once, by its last block.
 *
 * @param path as bytes, if only changes that concern it matter; changes that can't be the other end of a move of it
 *   are left out then
 */
function changesIn(blocks: readonly RawBlock[], path: Buffer | undefined): readonly LogEntry[] {
  const latest = new Map<string, PathChange>()
  for (const { seq, bytes } of blocks) {
    const block = decodeBlock(bytes)
    const isWanted = path === undefined || isAtOrBeneath(block.key, path)
    if (!isOurs(block.key)) latest.set(block.key.toString('latin1'), { block, isPut: isPut(block, seq), isWanted })
  }
  const all = [...latest.values()]
  const [isPutThere, isRemovedThere] = [true, false].map((put) =>
    all.some(({ isWanted, isPut }) => isWanted && isPut === put)
  )
  const changes: LogEntry[] = []
  for (const { block, isPut, isWanted } of all) {
    if (!isWanted && !(isPut ? isRemovedThere : isPutThere)) continue
    const path = readPath(block.key, unreported)
    const entry = path !== undefined && isPut ? readEntry(path, block, unreported) : undefined
    if (path !== undefined && (entry !== undefined || !isPut)) changes.push([path, entry])
  }
  return changes
}

/** Whether a change is at a path or beneath it; always true for the folder itself. */
export function concerns(change: TreePath, path: TreePath | ''): boolean {
  return change === path || isBeneath(change, path)
}
