import { setTimeout as sleep } from 'node:timers/promises'
import type Hypercore from 'hypercore'
import type { Head } from '../../format/head-codec.ts'
import {
  type DeltaRow,
  decodeRows,
  type SnapshotPointer,
  type SnapshotRow,
  snapshotLimits
} from '../../format/snapshot-codec.ts'
import { isSilence } from '../../silence.ts'
import type { TreePath } from '../../tree/path.ts'
import type { Version } from '../../tree/tree.ts'
import { headerLength, type LogEntry } from '../bee/entries.ts'

/** Blocks asked for at once; a hostile writer's may have 15 MiB each. */
const inFlightMax = 8
/** With peers there, but nothing coming from them for so long, a snapshot isn't waited for. */
const quietMsMax = 3000
/** Nor when so long none of its blocks has come, whatever else does: one has some 150 KB. */
const blocklessMsMax = 30_000
const tickMs = 250
/** 16 million entries. */
export const entriesMax = 2 ** 24

/** Where a snapshot or a delta is, and how many entries it has. */
export type Packed = Pick<SnapshotPointer, 'block' | 'blocks' | 'entries'>

/** A snapshot or a delta can't be had, or isn't what it is said to be. The tree itself tells the same. */
export class UnfitSnapshot extends Error {}

/** The snapshot that the head of a version names, where it can be one. */
export function snapshotOf(head: Head, version: Version): SnapshotPointer | undefined {
  const { snapshot, contentLength } = head
  if (snapshot === undefined) return undefined
  const { block, blocks, length, entries } = snapshot
  const isThere = block + blocks <= contentLength && length > headerLength && length < version.length
  return isThere && blocks <= entries && entries < length && entries <= entriesMax ? snapshot : undefined
}

/**
 * Resolves when the blocks of a snapshot or a delta are in the content core.
 *
 * @param hasPeers whether anybody is there to fetch from. Without peers it waits for one
 * @throws {UnfitSnapshot} when no peer sends them, or one of them is none
 */
export async function fetchPacked(
  content: Hypercore,
  { block, blocks }: Packed,
  hasPeers: () => boolean,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  if (await content.has(block, block + blocks)) return
  // Closing it is what ends the wait for a block.
  const session = content.session()
  const done = new AbortController()
  let arrivedMs = performance.now()
  let next = block
  const fetchBlocks = async () => {
    while (next < block + blocks) {
      const bytes = await session.get(next++)
      if (bytes === null || bytes.length > snapshotLimits.blockBytes) throw new UnfitSnapshot('A block is too large')
      arrivedMs = performance.now()
    }
  }
  const ends = AbortSignal.any([signal, done.signal])
  try {
    const all = Promise.all(Array.from({ length: inFlightMax }, fetchBlocks))
    await Promise.race([all, silence(content, hasPeers, () => arrivedMs, ends)])
  } finally {
    done.abort()
    await session.close()
  }
}

/** Rejects when peers are there and stay silent, or send none of what is waited for; or when `signal` is aborted. */
async function silence(
  core: Hypercore,
  hasPeers: () => boolean,
  arrivedMs: () => number,
  signal: AbortSignal
): Promise<never> {
  let heard = bytesFrom(core)
  let [heardMs, aloneMs] = [performance.now(), performance.now()]
  for (;;) {
    await sleep(tickMs, undefined, { signal })
    const [bytes, nowMs] = [bytesFrom(core), performance.now()]
    if (!hasPeers()) aloneMs = nowMs
    if (!isSilence(Math.abs(bytes - heard))) [heard, heardMs] = [bytes, nowMs]
    const blocklessMs = nowMs - Math.max(arrivedMs(), aloneMs)
    const quietMs = Math.min(blocklessMs, nowMs - heardMs)
    if (quietMs >= quietMsMax || blocklessMs >= blocklessMsMax) throw new UnfitSnapshot('No peer sends it')
  }
}

function bytesFrom(core: Hypercore): number {
  return core.peers.reduce((sum, { stream }) => sum + (stream.rawStream.bytesReceived ?? 0), 0)
}

/** The entries of a snapshot whose blocks are here, in the log's order. @throws {UnfitSnapshot} */
export async function* readSnapshot(content: Hypercore, packed: Packed): AsyncGenerator<SnapshotRow> {
  for await (const [path, entry] of readPacked(content, packed)) {
    if (entry === undefined) throw new UnfitSnapshot('A snapshot that removes')
    yield [path, entry]
  }
}

/** What a snapshot or a delta tells whose blocks are here, in the log's order. @throws {UnfitSnapshot} */
export async function* readPacked(content: Hypercore, { block, blocks, entries }: Packed): AsyncGenerator<DeltaRow> {
  let last: TreePath | undefined
  let count = 0
  for (let index = block; index < block + blocks; index++) {
    const rows = await readRows(content, index, last)
    count += rows.length
    last = rows.at(-1)?.[0] ?? last
    yield* rows
  }
  if (count !== entries) throw new UnfitSnapshot(`${count} entries rather than ${entries}`)
}

/** The rows of one block that is here. @throws {UnfitSnapshot} */
export async function readRows(
  content: Hypercore,
  index: number,
  after: TreePath | undefined
): Promise<readonly DeltaRow[]> {
  const block = await content.get(index, { wait: false })
  if (block === null) throw new UnfitSnapshot('A block went')
  try {
    return await decodeRows(block, after)
  } catch (error) {
    if (error instanceof RangeError) throw new UnfitSnapshot(error.message, { cause: error })
    throw error
  }
}

/** Rows with what was changed since, both in the log's order. */
export async function* withChanges(
  rows: AsyncIterable<SnapshotRow>,
  changes: AsyncGenerator<LogEntry>
): AsyncGenerator<SnapshotRow> {
  try {
    let change = await nextChange(changes)
    for await (const row of rows) {
      let isChanged = false
      for (; change !== undefined; change = await nextChange(changes)) {
        const order = Buffer.compare(change.key, Buffer.from(row[0]))
        if (order > 0) break
        if (order === 0) isChanged = true
        if (change.entry !== undefined) yield [change.path, change.entry]
      }
      if (!isChanged) yield row
    }
    for (; change !== undefined; change = await nextChange(changes)) {
      if (change.entry !== undefined) yield [change.path, change.entry]
    }
  } finally {
    await changes.return(undefined)
  }
}

async function nextChange(changes: AsyncGenerator<LogEntry>) {
  const { done, value } = await changes.next()
  if (done) return undefined
  const [path, entry] = value as LogEntry
  return { key: Buffer.from(path), path, entry }
}
