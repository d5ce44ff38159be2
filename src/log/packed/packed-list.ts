import b4a from 'b4a'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { decodeHead, type Head, headKey } from '../../format/head-codec.ts'
import type { SnapshotPointer, SnapshotRow } from '../../format/snapshot-codec.ts'
import type { Version } from '../../tree/tree.ts'
import { decodeBlock } from '../bee/bee-view.ts'
import { changesOf, headOf, versionOf } from '../bee/entries.ts'
import { fetchPacked, readRows, snapshotOf, UnfitSnapshot, withChanges } from './snapshot.ts'

/** The sources of a part of a snapshot. */
export interface PackedListParts {
  readonly entries: Hypercore
  readonly bee: Hyperbee
  readonly content: () => Promise<Hypercore>
  /** Fetches missing blocks of the entries core. */
  readonly fetch: (start: number, end: number, signal: AbortSignal) => Promise<void>
}

/** Keys from one on, up to another, exclusive; up to the last one when left out. */
export interface Keys {
  readonly from: Buffer
  readonly to: Buffer | undefined
}

/** With more changes than these since the snapshot the tree is as quick. */
const changesMax = 1024
/** The rows of these blocks are all in memory at once. */
const blocksMax = 32

/**
 * The entries of a version in a range of keys, in the log's order, by the snapshot and the changes since: for a reader
 * far away, two round trips, while the tree takes as many as it is deep. `undefined` if the snapshot can't tell them,
 * or the whole tree is here.
 *
 * @param wanted how many blocks of the snapshot the range may take
 */
export async function rowsInSnapshot(
  parts: PackedListParts,
  version: Version,
  keys: Keys,
  wanted = blocksMax
): Promise<readonly SnapshotRow[] | undefined> {
  const { entries, bee } = parts
  const snapshot = await usableSnapshot(parts, version)
  if (snapshot === undefined) return undefined
  const signal = new AbortController().signal
  const since = { fork: version.fork, length: snapshot.length }
  try {
    const [content, firsts] = await Promise.all([
      parts.content(),
      firstsOf(entries, snapshot),
      parts.fetch(since.length, version.length, signal)
    ])
    const blocks = blocksOf(firsts, keys)
    if (blocks === undefined || blocks.count > Math.min(wanted, blocksMax)) return undefined
    const block = snapshot.block + blocks.first
    await fetchPacked(content, { block, blocks: blocks.count, entries: 0 }, () => content.peers.length > 0, signal)
    const ignored = () => {} // Problems are reported when the version itself is read.
    const rows: SnapshotRow[] = []
    const changes = changesOf(bee, since, version, ignored)
    for await (const row of withChanges(rowsOf(content, block, blocks.count), changes)) {
      if (isIn(Buffer.from(row[0]), keys)) rows.push(row)
    }
    return rows
  } catch (error) {
    if (error instanceof UnfitSnapshot || error instanceof RangeError) return undefined
    throw error
  }
}

/** The snapshot that a version names, if it is the latest: earlier ones are cleared. */
async function usableSnapshot(
  { entries, bee }: PackedListParts,
  version: Version
): Promise<SnapshotPointer | undefined> {
  const latest = versionOf(entries)
  if (latest === undefined || (await entries.has(0, version.length))) return undefined
  const [head, newest] = await Promise.all([headOf(bee, version), headOf(bee, latest)])
  const snapshot = snapshotOf(head, version)
  if (snapshot === undefined || snapshot.block !== newest.snapshot?.block) return undefined
  return version.length - snapshot.length <= changesMax ? snapshot : undefined
}

/**
 * The first path of each block of a snapshot, out of the version that published it: the one after the version that it
 * describes, one block long.
 */
async function firstsOf(entries: Hypercore, snapshot: SnapshotPointer): Promise<readonly Buffer[]> {
  const bytes = await entries.get(snapshot.length)
  const { key, value } = decodeBlock(bytes ?? b4a.alloc(0))
  const head: Head | undefined = key.equals(b4a.from(headKey)) && value !== null ? decodeHead(value) : undefined
  return head?.snapshot?.block === snapshot.block && head.firsts?.length === snapshot.blocks ? head.firsts : []
}

/** The blocks that may hold keys of a range. */
function blocksOf(firsts: readonly Buffer[], { from, to }: Keys): { first: number; count: number } | undefined {
  if (firsts.length === 0) return undefined
  const first = Math.max(
    0,
    firsts.findLastIndex((path) => Buffer.compare(path, from) <= 0)
  )
  const last = to === undefined ? firsts.length - 1 : firsts.findLastIndex((path) => Buffer.compare(path, to) < 0)
  return { first, count: Math.max(1, last - first + 1) }
}

async function* rowsOf(content: Hypercore, block: number, count: number): AsyncGenerator<SnapshotRow> {
  let last: SnapshotRow[0] | undefined
  for (let index = block; index < block + count; index++) {
    for (const [path, entry] of await readRows(content, index, last)) {
      if (entry === undefined) throw new UnfitSnapshot('A snapshot that removes')
      yield [path, entry]
      last = path
    }
  }
}

function isIn(key: Buffer, { from, to }: Keys): boolean {
  return Buffer.compare(key, from) >= 0 && (to === undefined || Buffer.compare(key, to) < 0)
}
