import * as c from 'compact-encoding'
import { decodePack, encodePack, packBytesMax } from './pack-codec.ts'

/**
 * Where the contents of cleared packs are: the needed ones of each were moved to a new pack. Readers of an entry that
 * names an old pack find them there. FORMAT.md has the layout.
 */

/** Where a table of relocations is. */
export interface RelocationsPointer {
  /** Index of its first block in the content core. */
  readonly block: number
  readonly blocks: number
}

/** A run of bytes of a pack's contents. */
export interface PackRun {
  readonly offset: number
  readonly length: number
}

/** The move of a pack. */
export interface Relocation {
  /** The pack that entries name. */
  readonly block: number
  /** The pack that holds the kept contents. */
  readonly to: number
  /** Offset of the first run in the contents of the new pack; the runs lie there one behind the other. */
  readonly at: number
  /** Bytes of content of the old pack. */
  readonly bytes: number
  /** The runs that were kept, in order, with a gap between any two. */
  readonly runs: readonly PackRun[]
}

/** Limits on a table, beyond which it is refused: all of it is in memory. */
export const relocationLimits = { blocks: 4096, relocations: 2 ** 20, runs: 2 ** 22 } as const

const format = 1
/** Bytes of a block before compression. */
const blockBytesTarget = 256 * 1024

/** The blocks of a table, each of which can be read by itself. */
export async function encodeRelocations(relocations: readonly Relocation[]): Promise<readonly Buffer[]> {
  const blocks: Buffer[] = []
  let parts: Uint8Array[] = []
  let bytes = 0
  const seal = async () => {
    blocks.push(await encodePack([c.encode(c.uint, format), ...parts]))
    parts = []
    bytes = 0
  }
  for (const relocation of relocations) {
    const part = encodeRelocation(relocation)
    if (bytes > 0 && bytes + part.length > blockBytesTarget) await seal()
    parts.push(part)
    bytes += part.length
  }
  if (bytes > 0) await seal()
  return blocks
}

function encodeRelocation({ block, to, at, bytes, runs }: Relocation): Buffer {
  const numbers = [block, to, at, bytes, runs.length]
  let end = 0
  for (const { offset, length } of runs) {
    numbers.push(offset - end, length)
    end = offset + length
  }
  return Buffer.concat(numbers.map((number) => c.encode(c.uint, number)))
}

/**
 * Decodes a block of a table.
 *
 * @throws {RangeError} when it is none
 */
export async function decodeRelocations(block: Uint8Array): Promise<readonly Relocation[]> {
  const buffer = await decodePack(block)
  const state: c.State = { start: 0, end: buffer.length, buffer }
  const relocations: Relocation[] = []
  try {
    if (c.uint.decode(state) !== format) throw new RangeError('relocations of an unknown format')
    while (state.start < state.end) relocations.push(decodeRelocation(state))
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new RangeError('relocations that end too early', { cause: error })
  }
  return relocations
}

function decodeRelocation(state: c.State): Relocation {
  const [block, to, at, bytes, count] = Array.from({ length: 5 }, () => readCount(state)) as [
    number,
    number,
    number,
    number,
    number
  ]
  if (bytes > packBytesMax || to <= block) throw new RangeError('a relocation that cannot be')
  if (count > (state.end - state.start) / 2) throw new RangeError('more runs than there are')
  const runs: PackRun[] = []
  let end = 0
  let length = 0
  for (let i = 0; i < count; i++) {
    const run = { offset: end + readCount(state), length: readCount(state) }
    if (run.length === 0 || (i > 0 && run.offset === end)) throw new RangeError('a run that is none')
    end = run.offset + run.length
    length += run.length
    runs.push(run)
  }
  if (end > bytes || at + length > packBytesMax) throw new RangeError('a run beyond its pack')
  return { block, to, at, bytes, runs }
}

function readCount(state: c.State): number {
  const count = c.uint.decode(state)
  if (!Number.isSafeInteger(count)) throw new RangeError('a number of relocations out of range')
  return count
}
