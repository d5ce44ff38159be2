import type Hypercore from 'hypercore'
import { type Block, decodeBlock, MissingBlock } from './bee-view.ts'

/** A block of an entries core as it lies there. */
export interface RawBlock {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** Blocks that are read at once: each question by itself takes several times as long as its answer. */
const pieceBlocks = 512

/** Pieces that are on their way while one is worked on: the engine has a thread for each. */
const piecesAhead = 3

/** Blocks in a row, a piece at a time. Throws a `RangeError` where one isn't here. */
export async function* piecesOf(core: Hypercore, start: number, end: number): AsyncGenerator<readonly RawBlock[]> {
  const coming: Promise<readonly RawBlock[]>[] = []
  for (let at = start; at < end || coming.length > 0; ) {
    for (; at < end && coming.length < piecesAhead; at += pieceBlocks) {
      const piece = readPiece(core, at, end)
      piece.catch(() => {}) // Told when its turn comes.
      coming.push(piece)
    }
    yield await (coming.shift() as Promise<readonly RawBlock[]>)
  }
}

/** The same one by one, decoded. Throws a `RangeError` also where one is no node of a Hyperbee. */
export async function* blocksOf(
  core: Hypercore,
  start: number,
  end: number
): AsyncGenerator<{ readonly seq: number; readonly block: Block }> {
  for await (const piece of piecesOf(core, start, end)) {
    for (const { seq, bytes } of piece) yield { seq, block: decodeBlock(bytes) }
  }
}

async function readPiece(core: Hypercore, start: number, end: number): Promise<readonly RawBlock[]> {
  const rx = core.core.state.storage.read()
  const asked: Promise<Uint8Array | null>[] = []
  for (let seq = start; seq < Math.min(start + pieceBlocks, end); seq++) asked.push(rx.getBlock(seq))
  rx.tryFlush()
  return (await Promise.all(asked)).map((bytes, i) => {
    if (bytes === null) throw new MissingBlock()
    return { seq: start + i, bytes }
  })
}

/** Tags of a Hyperbee's block, which is written in the manner of protocol buffers: each field has its tag, then its length. */
const tags = { index: 10, key: 18 } as const

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
