import type Hypercore from 'hypercore'
import { readStored } from '../hypercore/block-reader.ts'
import { type Block, decodeBlock, MissingBlock } from './bee-view.ts'

/** A block of an entries core as it lies there. */
export interface RawBlock {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** Blocks in a row, `end` excluded. */
export interface Run {
  readonly start: number
  readonly end: number
}

/** Blocks that are read at once: each question by itself takes several times as long as its answer. */
const pieceBlocks = 512

/** Pieces that are on their way while one is worked on: the engine has a thread for each. */
const piecesAhead = 3

/** Blocks of some runs, a piece at a time. Throws a `RangeError` where one isn't here. */
export async function* piecesOf(core: Hypercore, runs: readonly Run[]): AsyncGenerator<readonly RawBlock[]> {
  const coming: Promise<readonly RawBlock[]>[] = []
  for (const run of piecesIn(runs)) {
    const piece = readPiece(core, run)
    piece.catch(() => {}) // Told when its turn comes.
    coming.push(piece)
    if (coming.length >= piecesAhead) yield await (coming.shift() as Promise<readonly RawBlock[]>)
  }
  for (const piece of coming) yield await piece
}

/** What is read at once: of one run a part, of small runs several. */
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

/** The same one by one, decoded. Throws a `RangeError` also where one is no node of a Hyperbee. */
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

/** Tags of a Hyperbee's block, which is written in the manner of protocol buffers: each field has its tag, then its length. */
const tags = { index: 10, key: 18, value: 26 } as const

/** The key of a block, without a look at the rest of it where that is as it is always written. */
export function keyIn(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + 1 < bytes.length; ) {
    const tag = bytes[at++]
    let length = bytes[at++] as number
    if (length >= 0x80) length = (length & 0x7f) | ((bytes[at++] as number) << 7)
    // More than these digits no index has; whatever else it is, it isn't written by a bee.
    if (length >= 0x4000 || at + length > bytes.length) break
    if (tag === tags.key) return bytes.subarray(at, at + length)
    if (tag !== tags.index) break
    at += length
  }
  return decodeBlock(bytes).key
}

/** Whether a value follows a key that was found in a block: as it is always written, that is where it puts a pair. */
export function hasValue(bytes: Uint8Array, key: Uint8Array): boolean {
  return bytes[key.byteOffset - bytes.byteOffset + key.length] === tags.value
}
