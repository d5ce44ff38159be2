import { createHash, hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { chunkBytesMax, chunkBytesMin, cutPoint } from '../../chunk/chunker.ts'
import { emptyHash, permissionBits } from '../../tree/entry.ts'
import type { TreePath } from '../../tree/path.ts'
import { Beneath } from '../path/beneath.ts'
import { isRacy, mtimeOf, signatureOf, tickOf } from './seen.ts'

/** A chunk of a file's content and its hash. The bytes are valid until the next call of the generator. */
export interface Chunk {
  readonly bytes: Buffer
  readonly hash: string
}

/** A consistent state of a file, valid for its signature. */
export interface ReadFile {
  readonly mode: number
  readonly mtimeMs: number
  readonly size: number
  readonly hash: string
  /** The signature of the file in this state. */
  readonly signature: string
}

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** The hash of a chunk; the default is SHA-256 in hexadecimal. */
  readonly hashChunk?: (bytes: Uint8Array) => string
}
/** Thrown when a file changed during a read, so that the bytes read are inconsistent. */
export class TornRead extends Error {}

/** Limits of the wait for a file that keeps changing. */
const settleAttempts = 3
const settleMsMax = 100

/** The bytes to read before the event loop gets a turn. */
const readBytesMax = 2 * chunkBytesMax

/**
 * Reads a file chunk by chunk and finally returns its state. If the file changed a moment ago, it first waits for a tick
 * of the clock of file times: until then a change during the read might not show in the times.
 *
 * @throws {TornRead} if the file changed meanwhile; the system's error if it can't be read; the signal's reason
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

/** The state of a file read between two calls of `fstat`. @throws {TornRead} if they differ */
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

/** The stats of a file once its last change is old enough for another to show. @throws {TornRead} if it keeps changing */
export async function settledStat(fd: number): Promise<Stats> {
  for (let attempt = 1; attempt <= settleAttempts; attempt++) {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new TornRead('It is no regular file any more')
    if (!isRacy(stats, Date.now())) return stats
    // With coarse times the wait is long: the caller must retry later.
    if (tickOf(stats) > settleMsMax) break
    await sleep(tickOf(stats))
  }
  throw new TornRead('It was changed a moment ago')
}

/** Reads a file for its hash only; calls `onChunk` for each chunk. Throws as `readChunks` does. */
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
  // Room for one byte more than its size detects that it grows.
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

/** Reused for small files: a new buffer for each file fragmented the memory of the process. */
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

/** Opens a file for reading without leaving the folder. @throws the system's error */
export function openBeneath(root: string, path: TreePath): number {
  const beneath = new Beneath(root)
  try {
    // Non-blocking: a FIFO may have replaced the scanned file.
    return openSync(beneath.locate(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } finally {
    beneath.release()
  }
}
