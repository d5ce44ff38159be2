import type Hypercore from 'hypercore'
import { readStored } from '../hypercore/block-reader.ts'
import { type Block, decodeBlock, MissingBlock } from './bee-view.ts'

/** A block of an entries core, not decoded. */
export interface RawBlock {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** A run of blocks, `end` excluded. */
export interface Run {
  readonly start: number
  readonly end: number
}

/** Blocks read at once: a read by itself takes several times as long as its share of a batch. */
const pieceBlocks = 512

/** Pieces read ahead while one is processed: the engine has a thread for each. */
const piecesAhead = 3

/** The blocks of some runs, in pieces. Throws a `RangeError` if one is missing. */
export async function* piecesOf(core: Hypercore, runs: readonly Run[]): AsyncGenerator<readonly RawBlock[]> {
  const coming: Promise<readonly RawBlock[]>[] = []
  for (const run of piecesIn(runs)) {
    const piece = readPiece(core, run)
    piece.catch(() => {}) // Awaited when its turn comes.
    coming.push(piece)
    if (coming.length >= piecesAhead) yield (await coming.shift()) ?? []
  }
  for (const piece of coming) yield await piece
}

/** Splits long runs, and joins short ones. */
function* piecesIn(runs: readonly Run[]): Generator<readonly Run[]> {
  let piece: Run[] = []
  let count = 0
  for (const { start, end } of runs) {
    for (let at = start; at < end; ) {
      const to = Math.min(end, at + pieceBlocks - count)
      piece.push({ start: at, end: to })
      count += to - at
      at = to
      if (count < pieceBlocks) continue
      yield piece
      piece = []
      count = 0
    }
  }
  if (count > 0) yield piece
}

/** The blocks of a run one by one, decoded. Throws a `RangeError` if one is missing, or is no block of a Hyperbee. */
export async function* blocksOf(
  core: Hypercore,
  start: number,
  end: number
): AsyncGenerator<{ readonly seq: number; readonly block: Block }> {
  for await (const piece of piecesOf(core, [{ start, end }])) {
    for (const { seq, bytes } of piece) yield { seq, block: decodeBlock(bytes) }
  }
}

async function readPiece(core: Hypercore, runs: readonly Run[]): Promise<readonly RawBlock[]> {
  const seqs: number[] = []
  for (const { start, end } of runs) for (let seq = start; seq < end; seq++) seqs.push(seq)
  return (await readStored(core, seqs)).map((bytes, i) => {
    if (bytes === null) throw new MissingBlock()
    return { seq: seqs[i] as number, bytes }
  })
}

/**
 * Tags of the fields of a Hyperbee's block, which is encoded like protocol buffers: each field is its tag, its length
 * and its bytes.
 */
const tags = { index: 10, key: 18, value: 26 } as const

/** The key of a block, without decoding the rest of it if it has the usual layout. */
export function keyIn(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + 1 < bytes.length; ) {
    const tag = bytes[at++]
    let length = bytes[at++] as number
    if (length >= 0x80) length = (length & 0x7f) | ((bytes[at++] as number) << 7)
    // No index is longer: a bee didn't write this.
    if (length >= 0x4000 || at + length > bytes.length) break
    if (tag === tags.key) return bytes.subarray(at, at + length)
    if (tag !== tags.index) break
    at += length
  }
  return decodeBlock(bytes).key
}

/**
 * Whether a value follows the key in a block, found by `keyIn`: in the usual layout, blocks that put a pair have one.
 */
export function hasValue(bytes: Uint8Array, key: Uint8Array): boolean {
  return bytes[key.byteOffset - bytes.byteOffset + key.length] === tags.value
}
