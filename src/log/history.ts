import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { decodeHead, type Head, headKey } from '../format/head-codec.ts'
import { isBeneath, type TreePath } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'
import { type Block, decodeBlock, isPut, MissingBlock } from './bee-view.ts'
import { headerLength, isOurs, type LogEntry, readEntry, readPath } from './entries.ts'

/** What a version says of itself, and of the paths that it changes, each once. */
export interface Told {
  readonly version: Version
  readonly head: Head
  /** Length of the log at the version before it, or at its header's end. */
  readonly before: number
  readonly changes: readonly LogEntry[]
}

/** Sees to it that blocks are here. */
export type Fetch = (start: number, end: number) => Promise<void>

export interface HistoryOptions {
  readonly fetch: Fetch
  /** Only versions that change this path, or one beneath it. */
  readonly path?: TreePath | ''
}

interface Numbered {
  readonly seq: number
  readonly block: Block
}

const head = b4a.from(headKey)
/** Blocks that are asked for together where a reader goes back one version after the other. */
const fetchedAtOnce = 1024
/** Most versions are small. */
const lookedAtFirst = 16
/** Refused where it is looked at as part of a version. */
const unreported = () => {}

/**
 * The versions after a length, up to one, the oldest first. Reads all that the log grew by, block after block.
 * Throws a `RangeError` where a block is none.
 */
export async function* versionsSince(
  core: Hypercore,
  from: number,
  to: Version,
  { fetch, path = '' }: HistoryOptions
): AsyncGenerator<Told> {
  const start = Math.max(from, headerLength)
  if (start >= to.length) return
  await fetch(start, to.length)
  const paths = path === '' ? undefined : Buffer.from(path)
  let said: Numbered[] = []
  let before = start
  /** Of an earlier writer's version, whose changes follow. */
  let begun: Head | undefined
  const end = function* (of: Head, length: number) {
    const mine = said.filter(({ seq }) => seq < length)
    if (paths === undefined || mine.some(({ block }) => isAtOrBeneath(block.key, paths)))
      yield { version: { fork: to.fork, length }, head: of, before, changes: changesIn(mine) }
    said = said.filter(({ seq }) => seq >= length)
    before = length
  }
  for await (const next of blocksOf(core, start, to.length)) {
    if (!next.block.key.equals(head)) {
      said.push(next)
      continue
    }
    const told = decodeHead(next.block.value ?? b4a.alloc(0))
    if (told.before === 0 && (await headsComeFirst(core))) {
      if (begun !== undefined) yield* end(begun, next.seq)
      begun = told
      continue
    }
    // More belongs to the same version.
    if (told.unfinished) continue
    if (begun !== undefined) yield* end(begun, told.before)
    begun = undefined
    yield* end(told, next.seq + 1)
  }
  if (begun !== undefined) yield* end(begun, to.length)
}

/** The versions up to one, and after a length, the newest first. Throws a `RangeError` where a version has no head. */
export async function* versionsBack(
  core: Hypercore,
  after: number,
  from: Version,
  { fetch, path = '' }: HistoryOptions
): AsyncGenerator<Told> {
  let here = from.length
  const first = Math.max(after, headerLength)
  for (let end = from.length; end > first; ) {
    if (end <= here) {
      here = Math.max(headerLength, end - fetchedAtOnce)
      await fetch(here, end)
    }
    // What changed a path, or where a version begins, isn't known before all was looked at.
    const isAll = path !== '' || (await isOfEarlierWriter(core, end))
    const start = isAll ? first : await previousEnd(core, end, fetch)
    const told: Told[] = []
    const to = { fork: from.fork, length: end }
    for await (const one of versionsSince(core, start, to, { fetch, path })) told.push(one)
    yield* told.reverse()
    end = start
  }
}

/** Where the version ends that comes before the one that ends at a length; the header's end before the first. */
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

/** Where the first version ends that ends no sooner than at a length; `undefined` where none does up to another. */
export async function endAtOrAfter(
  core: Hypercore,
  length: number,
  lengthMax: number,
  fetch: Fetch
): Promise<number | undefined> {
  let count = lookedAtFirst
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

/** The end of a version, no sooner than at a length, that a head in a block tells of. */
async function endBy(core: Hypercore, at: number, { unfinished, before }: Head, length: number) {
  // One that a head behind it tells of first is an earlier writer's.
  if (before > headerLength && before >= length) return before
  if (before === 0 && (await headsComeFirst(core))) return at > headerLength && at >= length ? at : undefined
  return unfinished ? undefined : at + 1
}

/** Whether the log was begun by an earlier writer: each of its versions has its head first, and no word of the one before. */
async function headsComeFirst(core: Hypercore): Promise<boolean> {
  const { key, value } = await blockAt(core, headerLength)
  if (!key.equals(head)) return false
  const { puts, removals } = decodeHead(value ?? b4a.alloc(0))
  return puts + removals > 0
}

async function isOfEarlierWriter(core: Hypercore, end: number): Promise<boolean> {
  const { key, value } = await blockAt(core, end - 1)
  const isTold = key.equals(head) && decodeHead(value ?? b4a.alloc(0)).before > 0
  return !isTold && (await headsComeFirst(core))
}

async function blockAt(core: Hypercore, seq: number): Promise<Block> {
  const bytes = await core.get(seq)
  if (bytes === null) throw new MissingBlock()
  return decodeBlock(bytes)
}

/** Blocks in a row, as they are kept: one by one they would take several times as long. */
export async function* blocksOf(core: Hypercore, start: number, end: number): AsyncGenerator<Numbered> {
  let seq = start
  if (start >= end) return
  for await (const { index, value } of core.core.state.storage.createBlockStream({ gte: start, lt: end })) {
    if (index !== seq) break
    yield { seq: seq++, block: decodeBlock(value) }
  }
  if (seq < end) throw new MissingBlock()
}

function isAtOrBeneath(key: Buffer, path: Buffer): boolean {
  if (key.length < path.length || Buffer.compare(key.subarray(0, path.length), path) !== 0) return false
  return key.length === path.length || key[path.length] === 0x2f
}

/** What blocks say of paths: each once, as the last of them has it. */
function changesIn(said: readonly Numbered[]): readonly LogEntry[] {
  const latest = new Map<TreePath, LogEntry[1]>()
  for (const { seq, block } of said) {
    if (isOurs(block.key)) continue
    const path = readPath(block.key, unreported)
    if (path === undefined) continue
    const entry = isPut(block, seq) ? readEntry(path, block, unreported) : undefined
    if (entry !== undefined || !isPut(block, seq)) latest.set(path, entry)
  }
  return [...latest]
}

/** Whether a change is of a path, or of one beneath it; of any where it is the folder itself. */
export function concerns(change: TreePath, path: TreePath | ''): boolean {
  return change === path || isBeneath(change, path)
}
