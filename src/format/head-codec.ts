import * as c from 'compact-encoding'
import type { RelocationsPointer } from './relocation-codec.ts'
import type { DeltaPointer, SnapshotPointer } from './snapshot-codec.ts'

/** The head of a version, which every batch puts under a key of its own. */
export interface Head {
  /** When the batch was committed, by the writer's clock, milliseconds since 1970. Orders nothing. */
  readonly timeMs: number
  /** Whether the writer was still publishing the files that it found when it started. */
  readonly partial: boolean
  /** Whether the version is unfinished: the batches that follow belong to it too, up to one without this mark. */
  readonly unfinished: boolean
  /** Entries in the tree at this version, by type. */
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  /** Bytes of content in the tree at this version. */
  readonly bytes: number
  /** Paths that this batch put and removed. */
  readonly puts: number
  readonly removals: number
  /** Length of the content core: no entry of this version names a block at or beyond it. */
  readonly contentLength: number
  /** Length of the entries core at the version before this one; 0 for the first, and in logs of earlier writers. */
  readonly before: number
  /** The newest snapshot, of this version or of an earlier one. */
  readonly snapshot?: SnapshotPointer | undefined
  /** Deltas that are still stored, the oldest first. */
  readonly deltas?: readonly DeltaPointer[] | undefined
  /** Only in the head that publishes a snapshot: the first path of each of its blocks, as bytes. */
  readonly firsts?: readonly Buffer[]
  /** The table of relocations: where the contents of cleared packs are. */
  readonly relocations?: RelocationsPointer | undefined
}

/** Deltas that a head may name. */
export const deltasMax = 8

/** Version of the record that this code writes. */
export const headFormat = 1

const partialFlag = 1
const unfinishedFlag = 2
const none: SnapshotPointer = { block: 0, blocks: 0, length: 0, entries: 0 }
const fields = ['timeMs', 'files', 'directories', 'symlinks', 'bytes', 'puts', 'removals', 'contentLength'] as const

/** The key of the head: no path begins with NUL. */
export const headKey = '\0head'

export function encodeHead(head: Head): Buffer {
  const flags = (head.partial ? partialFlag : 0) | (head.unfinished ? unfinishedFlag : 0)
  const { block, blocks, length, entries } = head.snapshot ?? none
  const counts = fields.map((field) => Math.max(0, head[field]))
  const deltas = head.deltas ?? []
  const numbers = [headFormat, flags, ...counts, head.before, block, blocks, length, entries, deltas.length]
  for (const { block, blocks, since, length, entries } of deltas) numbers.push(block, blocks, since, length, entries)
  const { block: table, blocks: tableBlocks } = head.relocations ?? none
  const encoded = (some: readonly number[]) => some.map((number) => c.encode(c.uint, number))
  return Buffer.concat([...encoded(numbers), ...encodeFirsts(head.firsts ?? []), ...encoded([table, tableBlocks])])
}

function encodeFirsts(firsts: readonly Buffer[]): readonly Uint8Array[] {
  return [c.encode(c.uint, firsts.length), ...firsts.map((path) => c.encode(c.buffer, path))]
}

/**
 * The head in a log's value.
 *
 * @throws {RangeError} when it isn't one
 */
export function decodeHead(value: Uint8Array): Head {
  const state: c.State = { start: 0, end: value.length, buffer: value }
  try {
    const format = c.uint.decode(state)
    if (format < 1) throw new RangeError(`a head of format ${format}`)
    const flags = c.uint.decode(state)
    const head = {} as Record<(typeof fields)[number], number>
    for (const field of fields) head[field] = readCount(state, field)
    // Earlier writers, whose versions are one batch each, leave it out.
    const before = state.start < state.end ? readCount(state, 'before') : 0
    const snapshot = state.start < state.end ? readSnapshot(state) : none
    const deltas = state.start < state.end ? readDeltas(state) : []
    const firsts = state.start < state.end ? readFirsts(state) : []
    const relocations = state.start < state.end ? readRelocations(state) : undefined
    return {
      ...head,
      partial: (flags & partialFlag) !== 0,
      unfinished: (flags & unfinishedFlag) !== 0,
      before,
      ...(snapshot.blocks === 0 ? {} : { snapshot }),
      ...(deltas.length === 0 ? {} : { deltas }),
      ...(firsts.length === 0 ? {} : { firsts }),
      ...(relocations === undefined ? {} : { relocations })
    }
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new RangeError('a head that ends too early', { cause: error })
  }
}

/** Whether a valid head marks its version as unfinished, without decoding the rest. */
export function isUnfinished(value: Uint8Array): boolean {
  // Format and flags are below 0xfd, and a byte each.
  return ((value[1] ?? 0) & unfinishedFlag) !== 0
}

function readSnapshot(state: c.State): SnapshotPointer {
  const [block, blocks] = [readCount(state, 'first block'), readCount(state, 'blocks')]
  return { block, blocks, length: readCount(state, 'length'), entries: readCount(state, 'entries') }
}

function readDeltas(state: c.State): DeltaPointer[] {
  const count = readCount(state, 'deltas')
  if (count > deltasMax) throw new RangeError(`${count} deltas in a head`)
  return Array.from({ length: count }, () => {
    const [block, blocks] = [readCount(state, 'first block'), readCount(state, 'blocks')]
    const [since, length] = [readCount(state, 'start'), readCount(state, 'length')]
    return { block, blocks, since, length, entries: readCount(state, 'entries') }
  })
}

function readFirsts(state: c.State): Buffer[] {
  const count = readCount(state, 'first paths')
  if (count > state.end - state.start) throw new RangeError(`${count} first paths in a head`)
  return Array.from({ length: count }, () => Buffer.from(c.buffer.decode(state) ?? []))
}

function readRelocations(state: c.State): RelocationsPointer | undefined {
  const [block, blocks] = [readCount(state, 'first block'), readCount(state, 'blocks')]
  return blocks === 0 ? undefined : { block, blocks }
}

function readCount(state: c.State, field: string): number {
  const count = c.uint.decode(state)
  if (!Number.isSafeInteger(count)) throw new RangeError(`${field} of the head out of range`)
  return count
}
