import type { Head } from '../../format/head-codec.ts'
import { type DeltaPointer, type DeltaRow, encodeRows } from '../../format/snapshot-codec.ts'
import type { Entry } from '../../tree/entry.ts'
import { sortedAsLog, type TreePath } from '../../tree/path.ts'
import type { Version } from '../../tree/tree.ts'
import { headerLength, type LogEntry } from '../bee/entries.ts'
import { entriesMax } from './snapshot.ts'

/** Fewer changes than this aren't worth a delta: each costs a reader some 0.3 ms. */
export const deltaEntriesMin = 256

/** A stretch of the log between two lengths, with the delta that covers it if there is one. */
export interface Stretch {
  readonly since: number
  readonly length: number
  readonly delta?: DeltaPointer
}

/** The deltas that the head of a version names, as far as they are plausible. */
export function deltasOf({ deltas = [], contentLength }: Head, version: Version): readonly DeltaPointer[] {
  return deltas.filter(({ block, blocks, since, length, entries }) => {
    const isThere = block + blocks <= contentLength && since >= headerLength && length <= version.length
    return isThere && blocks > 0 && blocks <= entries && entries <= Math.min(length - since, entriesMax)
  })
}

/**
 * Covers the log from one length to another with deltas, and with stretches of the tree between them; the oldest first.
 */
export function stretchesOf(deltas: readonly DeltaPointer[], since: number, length: number): readonly Stretch[] {
  const stretches: Stretch[] = []
  let at = since
  for (const delta of [...deltas].sort((a, b) => a.since - b.since)) {
    if (delta.since < at || delta.length > length) continue
    if (delta.since > at) stretches.push({ since: at, length: delta.since })
    stretches.push({ since: delta.since, length: delta.length, delta })
    at = delta.length
  }
  if (at < length) stretches.push({ since: at, length })
  return stretches
}

/** The changes of several stretches: each path once, in the log's order. */
export async function* changesIn(stretches: readonly AsyncIterable<LogEntry>[]): AsyncGenerator<LogEntry> {
  const latest = new Map<TreePath, Entry | undefined>()
  for (const changes of stretches) for await (const [path, entry] of changes) latest.set(path, entry)
  for (const path of sortedAsLog(latest.keys())) yield [path, latest.get(path)]
}

/** The blocks of a delta; `undefined` if the changes are few, or an entry is too large for a block. */
export async function makeDelta(
  changes: ReadonlyMap<TreePath, Entry | undefined>
): Promise<readonly Buffer[] | undefined> {
  if (changes.size < deltaEntriesMin) return undefined
  const blocks: Buffer[] = []
  try {
    for await (const block of encodeRows(rowsOf(changes))) blocks.push(block)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
  return blocks
}

function* rowsOf(changes: ReadonlyMap<TreePath, Entry | undefined>): Generator<DeltaRow> {
  for (const path of sortedAsLog(changes.keys())) yield [path, changes.get(path)]
}
