import { setTimeout as sleep } from 'node:timers/promises'
import type Hypercore from 'hypercore'
import { attendedClock } from '../../attended-clock.ts'
import type { Head } from '../../format/head-codec.ts'
import {
  type DeltaRow,
  decodeRows,
  type SnapshotPointer,
  type SnapshotRow,
  snapshotLimits
} from '../../format/snapshot-codec.ts'
import { isSilence } from '../../keep-alive-bytes.ts'
import type { TreePath } from '../../tree/path.ts'
import type { Version } from '../../tree/tree.ts'
import { headerLength, type LogEntry } from '../bee/entries.ts'
import { bytesFromPeers } from '../hypercore/peers.ts'

/** Blocks requested at once; a hostile writer's may have 15 MiB each. */
const inFlightMax = 8
/** A snapshot is given up if the connected peers send nothing for this long. */
const quietMsMax = 3000
/** Or none of its blocks, whatever else they send: a block has some 150 KB. */
const blocklessMsMax = 30_000
const tickMs = 250
/** Entries of a snapshot or delta: 16 million. */
export const entriesMax = 2 ** 24

/** The blocks of a snapshot or a delta, and the number of its entries. */
export type Packed = Pick<SnapshotPointer, 'block' | 'blocks' | 'entries'>

/** A snapshot or a delta is missing everywhere, or damaged. The tree holds the same entries. */
export class UnfitSnapshot extends Error {}

/** The snapshot that the head of a version names, if it is plausible. */
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
 * @param hasPeers whether anybody is connected. Without peers it waits for one
 * @throws {UnfitSnapshot} when no peer sends the blocks, or one of them is too large
 */
export async function fetchPacked(
  content: Hypercore,
  { block, blocks }: Packed,
  hasPeers: () => boolean,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  if (await content.has(block, block + blocks)) return
  // Closing the session ends the wait for its blocks.
  const session = content.session()
  const done = new AbortController()
  let arrivedMs = attendedClock.now()
  let next = block
  const fetchBlocks = async () => {
    while (next < block + blocks) {
      const bytes = await session.get(next++)
      if (bytes === null || bytes.length > snapshotLimits.blockBytes) throw new UnfitSnapshot('A block is too large')
      arrivedMs = attendedClock.now()
    }
  }
  const ends = AbortSignal.any([signal, done.signal])
  try {
    const all = Promise.all(Array.from({ length: inFlightMax }, fetchBlocks))
    await Promise.race([all, rejectOnSilence(content, hasPeers, () => arrivedMs, ends)])
  } finally {
    done.abort()
    await session.close()
  }
}

/** Rejects when the connected peers stay silent, or send none of the blocks; or when `signal` aborts. */
async function rejectOnSilence(
  core: Hypercore,
  hasPeers: () => boolean,
  arrivedMs: () => number,
  signal: AbortSignal
): Promise<never> {
  let heard = bytesFromPeers(core)
  let [heardMs, lonelyMs] = [attendedClock.now(), attendedClock.now()]
  for (;;) {
    await sleep(tickMs, undefined, { signal })
    const [bytes, nowMs] = [bytesFromPeers(core), attendedClock.now()]
    if (!hasPeers()) lonelyMs = nowMs
    if (!isSilence(Math.abs(bytes - heard))) [heard, heardMs] = [bytes, nowMs]
    const blocklessMs = nowMs - Math.max(arrivedMs(), lonelyMs)
    const quietMs = Math.min(blocklessMs, nowMs - heardMs)
    if (quietMs >= quietMsMax || blocklessMs >= blocklessMsMax) throw new UnfitSnapshot('No peer sends it')
  }
}

/** The entries of a snapshot whose blocks are here, in the log's order. @throws {UnfitSnapshot} */
export async function* readSnapshot(content: Hypercore, packed: Packed): AsyncGenerator<SnapshotRow> {
  for await (const [path, entry] of readPacked(content, packed)) {
    if (entry === undefined) throw new UnfitSnapshot('A snapshot that removes')
    yield [path, entry]
  }
}

/** The rows of a snapshot or a delta whose blocks are here, in the log's order. @throws {UnfitSnapshot} */
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

/** Rows with the changes since applied, both in the log's order. */
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
  const next = await changes.next()
  if (next.done) return undefined
  const [path, entry] = next.value
  return { key: Buffer.from(path), path, entry }
}
