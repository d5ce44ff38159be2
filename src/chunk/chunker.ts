/**
 * Content-defined chunking after FastCDC: Wen Xia et al., "FastCDC: a Fast and Efficient
 * Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016. A gear hash rolls over
 * the bytes; a chunk ends where masked bits of it are zero. Normalised chunking: the mask is stricter
 * before the average size than after it, which draws the sizes together.
 *
 * Deduplication depends on where the cuts fall. The sizes and the table below are therefore part of the format: with
 * others, all content would be stored again.
 */

/** No chunk but a file's last is smaller. Also the size below which a file shares a pack. */
export const chunkBytesMin = 128 * 1024
/** Expected size of a chunk. */
export const chunkBytesAverage = 512 * 1024
/** No chunk is larger. */
export const chunkBytesMax = 2 * 1024 * 1024

// One bit more than log2(average) before it and one less after: normalisation level 1. The bits are
// the highest of the 32, on which the most bytes (32) have had their influence.
const averageBits = Math.log2(chunkBytesAverage)
const strictMask = highBits(averageBits + 1)
const looseMask = highBits(averageBits - 1)

const gear = gearTable()

/**
 * Length of the first chunk of `bytes`, or 0 if more bytes are needed to decide.
 *
 * @param last whether `bytes` reaches to the end of the file
 */
export function cutPoint(bytes: Uint8Array, last: boolean): number {
  const end = Math.min(bytes.length, chunkBytesMax)
  if (end <= chunkBytesMin) return last ? end : 0

  const middle = Math.min(end, chunkBytesAverage)
  const cut = find(bytes, { from: chunkBytesMin, to: middle, mask: strictMask, hash: 0 })
  if (cut !== 0) return cut
  const later = find(bytes, { from: middle, to: end, mask: looseMask, hash: hashAt(bytes, middle) })
  if (later !== 0) return later
  return end === chunkBytesMax || last ? end : 0
}

interface Search {
  readonly from: number
  readonly to: number
  readonly mask: number
  /** The hash of the bytes before `from`. */
  readonly hash: number
}

/** The first cut in a range, as the offset behind a byte; 0 if there is none. */
function find(bytes: Uint8Array, { from, to, mask, hash: before }: Search): number {
  let hash = before
  let i = from
  // Four at a time: more than twice as fast as one by one.
  for (; i < to - 3; i += 4) {
    const first = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0
    const second = ((first << 1) + (gear[bytes[i + 1] as number] as number)) | 0
    const third = ((second << 1) + (gear[bytes[i + 2] as number] as number)) | 0
    hash = ((third << 1) + (gear[bytes[i + 3] as number] as number)) | 0
    if ((first & mask) === 0) return i + 1
    if ((second & mask) === 0) return i + 2
    if ((third & mask) === 0) return i + 3
    if ((hash & mask) === 0) return i + 4
  }
  for (; i < to; i++) {
    hash = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0
    if ((hash & mask) === 0) return i + 1
  }
  return 0
}

/** The hash of the bytes before `at`. Only the last 32 matter: earlier bytes have been shifted out. */
function hashAt(bytes: Uint8Array, at: number): number {
  let hash = 0
  for (let i = at - 32; i < at; i++) hash = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0
  return hash
}

function highBits(count: number): number {
  return (-1 << (32 - count)) | 0
}

/** 256 pseudo-random words by xorshift32, from a fixed seed. */
function gearTable(): Int32Array {
  const table = new Int32Array(256)
  let state = 0x70327073
  for (let i = 0; i < table.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    table[i] = state
  }
  return table
}
