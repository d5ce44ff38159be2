import { createHash, hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { chunkBytesMax, chunkBytesMin, cutPoint } from '../../chunk/chunker.ts'
import { emptyHash, permissionBits } from '../../tree/entry.ts'
import type { TreePath } from '../../tree/path.ts'
import { Beneath } from '../path/beneath.ts'
import { isRacy, mtimeOf, signatureOf, tickOf } from './seen.ts'

/** A chunk of a file's content, and the hash by which it is known. Its bytes hold until the next one is asked for. */
export interface Chunk {
  readonly bytes: Buffer
  readonly hash: string
}

/** What a file held while it was read, all of one moment. */
export interface ReadFile {
  readonly mode: number
  readonly mtimeMs: number
  readonly size: number
  readonly hash: string
  /** The signature under which this holds. */
  readonly signature: string
}

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** By what chunks are known: their SHA-256 in hexadecimal, when left out. */
  readonly hashChunk?: (bytes: Uint8Array) => string
}
/** Thrown when a file changed while it was read: what was read of it is torn. */
export class TornRead extends Error {}

/** A file that is changed again and again isn't waited for longer. */
const settleAttempts = 3
const settleMsMax = 100

/** How much is read before the event loop gets its turn. */
const readBytesMax = 2 * chunkBytesMax

/**
 * Reads a file chunk by chunk, and tells at the end what was read. One that was changed a moment ago is
 * let rest for a tick of the clock of file times first: until then a change in the middle of reading
 * might not show.
 *
 * @throws {TornRead} when it changed meanwhile; the system's error when it can't be read; the signal's reason
 */
export async function* readChunks(
  root: string,
  path: TreePath,
  options: ReadOptions = {}
): AsyncGenerator<Chunk, ReadFile> {
  const fd = openBeneath(root, path)
  try {
    const before = await settledStat(fd)
    let content = { size: 0, hash: emptyHash }
    if (before.size > 0) content = yield* chunksOf(fd, before.size, options)
    return readFileOf(before, fstatSync(fd), content)
  } finally {
    closeSync(fd)
  }
}

/** What was read of a file between two looks at it. @throws {TornRead} where they differ */
export function readFileOf(
  before: Stats,
  after: Stats,
  content: { readonly size: number; readonly hash: string }
): ReadFile {
  if (content.size !== after.size || signatureOf(before) !== signatureOf(after)) {
    throw new TornRead('It changes while it is read')
  }
  return { mode: after.mode & permissionBits, mtimeMs: mtimeOf(after), ...content, signature: signatureOf(after) }
}

/** What a file is, once it has rested long enough for another change to show. @throws {TornRead} where it doesn't rest */
export async function settledStat(fd: number): Promise<Stats> {
  for (let attempt = 1; attempt <= settleAttempts; attempt++) {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new TornRead('It is no regular file any more')
    if (!isRacy(stats, Date.now())) return stats
    // Where times are coarse that is long: it's for the caller to come back.
    if (tickOf(stats) > settleMsMax) break
    await sleep(tickOf(stats))
  }
  throw new TornRead('It was changed a moment ago')
}

/** Reads a file for its hash alone, telling of each chunk. Throws as `readChunks` does. */
export async function hashFile(
  root: string,
  path: TreePath,
  signal?: AbortSignal,
  onChunk?: () => void
): Promise<ReadFile> {
  const chunks = readChunks(root, path, { ...(signal && { signal }), hashChunk: () => '' })
  for (;;) {
    const { done, value } = await chunks.next()
    if (done) return value
    onChunk?.()
  }
}

async function* chunksOf(
  fd: number,
  size: number,
  options: ReadOptions
): AsyncGenerator<Chunk, { size: number; hash: string }> {
  // Room for one byte more than the file has tells its end from its growing.
  const isSmall = size + 1 <= smallBufferBytes
  const buffer = isSmall
    ? (smallBuffers.pop() ?? newSmallBuffer())
    : Buffer.allocUnsafeSlow(Math.min(size + 1, readBytesMax))
  try {
    return yield* chunksInto(buffer, fd, size, options)
  } finally {
    if (isSmall) smallBuffers.push(buffer)
  }
}

/** Buffers for small files are used again: new ones for each file left the process's memory full of holes. */
const smallBufferBytes = chunkBytesMin
const smallBuffers: Buffer[] = []
const newSmallBuffer = () => Buffer.allocUnsafeSlow(smallBufferBytes)

async function* chunksInto(
  buffer: Buffer,
  fd: number,
  size: number,
  { signal, hashChunk = sha256 }: ReadOptions
): AsyncGenerator<Chunk, { size: number; hash: string }> {
  const whole = createHash('sha256')
  let total = 0
  let filled = 0
  let ended = false
  while (!ended || filled > 0) {
    while (!ended && filled < buffer.length) {
      const read = readSync(fd, buffer, filled, buffer.length - filled, null)
      filled += read
      ended = read === 0
    }
    let start = 0
    for (;;) {
      const length = cutPoint(buffer.subarray(start, filled), ended)
      if (length === 0) break
      const bytes = buffer.subarray(start, start + length)
      start += length
      total += length
      if (total > size) throw new TornRead('It grows while it is read')
      whole.update(bytes)
      yield { bytes, hash: hashChunk(bytes) }
    }
    buffer.copyWithin(0, start, filled)
    filled -= start
    if (ended) continue
    await nextTurn()
    signal?.throwIfAborted()
  }
  return { size: total, hash: whole.digest('hex') }
}

/** The SHA-256 of `bytes`, in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** Opens a file for reading, by ways that don't leave the folder. */
export function openBeneath(root: string, path: TreePath): number {
  const beneath = new Beneath(root)
  try {
    // Not blocking: what was a file when it was scanned may be a FIFO by now.
    return openSync(beneath.locate(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } finally {
    beneath.release()
  }
}
