import { closeSync, fstatSync } from 'node:fs'
import type { TreePath } from '../tree/path.ts'
import { openBeneath, type ReadFile, readFileOf, settledStat, TornRead } from './read.ts'
import type { Workers } from './workers.ts'

const hashBytes = 32
/** Groups of chunks whose hashes are being made. */
const aheadMax = 4

let ids = 0

/** A number for a sum in a worker thread. */
export function nextSumId(): number {
  return ids++
}

/** A chunk of a large file, without its bytes. */
export interface LargeChunk {
  readonly length: number
  /** Its hash in the log's tree. */
  readonly hash: Buffer
}

/**
 * Finds the chunks of a large file, in worker threads: one cuts, and all hash. Otherwise as `readChunks`.
 *
 * @throws {TornRead} when it changed meanwhile; the system's error when it can't be read; the signal's reason
 */
export async function* readLarge(
  root: string,
  path: TreePath,
  { workers, signal }: { readonly workers: Workers; readonly signal: AbortSignal }
): AsyncGenerator<LargeChunk, ReadFile> {
  const fd = openBeneath(root, path)
  const jobs = new Set<Promise<unknown>>()
  const note = <T>(job: Promise<T>): Promise<T> => {
    jobs.add(job)
    job.catch(() => {}).finally(() => jobs.delete(job))
    return job
  }
  try {
    const before = await settledStat(fd)
    const hash = yield* chunksOf(fd, before.size, { workers, signal, note })
    return readFileOf(before, fstatSync(fd), { size: before.size, hash })
  } finally {
    // They read from the descriptor, whose number may soon be another file's.
    await Promise.allSettled(jobs)
    closeSync(fd)
  }
}

interface ChunksOptions {
  readonly workers: Workers
  readonly signal: AbortSignal
  readonly note: <T>(job: Promise<T>) => Promise<T>
}

async function* chunksOf(
  fd: number,
  size: number,
  { workers, signal, note }: ChunksOptions
): AsyncGenerator<LargeChunk, string> {
  const id = nextSumId()
  const lane = workers.lane()
  const cut = (offset: number) => note(lane.run('cut-chunks', { id, fd, offset, size }))
  const ahead: Promise<LargeChunk[]>[] = []
  let sum: Promise<string>
  try {
    let next = cut(0)
    for (let offset = 0; offset < size; ) {
      signal.throwIfAborted()
      const lengths = await next
      if (lengths.length === 0) throw new TornRead('It became shorter while it was read')
      const request = { fd, offset, lengths }
      for (const length of lengths) offset += length
      if (offset < size) next = cut(offset)
      ahead.push(note(workers.run('hash-chunks', request).then((hashes) => chunks(lengths, hashes))))
      if (ahead.length >= aheadMax) yield* await (ahead.shift() as Promise<LargeChunk[]>)
    }
    for (const some of ahead) yield* await some
  } finally {
    sum = note(lane.run('take-sum', { id }))
    lane.release()
  }
  return await sum
}

function chunks(lengths: readonly number[], hashes: Uint8Array): LargeChunk[] {
  return lengths.map((length, i) => ({
    length,
    hash: Buffer.from(hashes.buffer, hashes.byteOffset + i * hashBytes, hashBytes)
  }))
}
