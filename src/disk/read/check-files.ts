import { closeSync, fstatSync } from 'node:fs'
import { chunkBytesMin } from '../../chunk/chunker.ts'
import { systemCode } from '../../errors.ts'
import type { TreePath } from '../../tree/path.ts'
import { isAbsence } from '../path/beneath.ts'
import { unpackError } from '../threads/worker-port.ts'
import { nextSumId, type Workers } from '../threads/workers.ts'
import { openBeneath, type ReadFile, readFileOf, settledStat, TornRead } from './read.ts'

/** The result of reading a whole file. */
export type CheckedFile =
  | { readonly type: 'read'; readonly file: ReadFile }
  /** There is no file at the path. */
  | { readonly type: 'absent' }
  /** The disk can't read its bytes. */
  | { readonly type: 'broken'; readonly message: string }
  /** It changed during the read, or p2psync may not read it: its content is unknown. */
  | { readonly type: 'unclear'; readonly message: string }

export interface FileToCheck {
  readonly path: TreePath
  /** The recorded size, in bytes: small files are read in batches. */
  readonly size: number
}

export interface CheckFilesOptions {
  readonly workers: Workers
  readonly signal: AbortSignal
}

/** Bounds of a batch of small files. */
const batchBytes = 4 * 1024 * 1024
const batchFilesMax = 1024
/** The bytes of a large file between two checks of the signal. */
const rangeBytes = 16 * 1024 * 1024
/** Jobs in progress: one for each of two threads, and one queued. */
const parallel = 3

/** Reads files whole and hashes them, in worker threads. Files come in any order. @throws the signal's reason */
export async function* checkFiles(
  root: string,
  files: Iterable<FileToCheck>,
  options: CheckFilesOptions
): AsyncGenerator<readonly [TreePath, CheckedFile]> {
  const running = new Set<Promise<Job>>()
  const start = (work: Promise<readonly (readonly [TreePath, CheckedFile])[]>) => {
    const job: Promise<Job> = work.then((results) => ({ job, results }))
    job.catch(() => {}) // It is awaited below.
    running.add(job)
  }
  const next = async () => {
    const { job, results } = await Promise.race(running)
    running.delete(job)
    return results
  }
  try {
    for (const batch of batches(files)) {
      options.signal.throwIfAborted()
      const [only] = batch
      if (batch.length === 1 && only !== undefined && only.size >= chunkBytesMin) {
        start(checkFile(root, only.path, options).then((checked) => [[only.path, checked]]))
      } else start(checkSmall(root, batch, options))
      if (running.size >= parallel) yield* await next()
    }
    while (running.size > 0) yield* await next()
  } finally {
    await Promise.allSettled(running)
  }
}

interface Job {
  readonly job: Promise<Job>
  readonly results: readonly (readonly [TreePath, CheckedFile])[]
}

function* batches(files: Iterable<FileToCheck>): Generator<FileToCheck[]> {
  let batch: FileToCheck[] = []
  let bytes = 0
  for (const file of files) {
    if (file.size >= chunkBytesMin) {
      yield [file]
      continue
    }
    if (batch.length >= batchFilesMax || bytes + file.size + 1 > batchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(file)
    bytes += file.size
  }
  if (batch.length > 0) yield batch
}

async function checkSmall(
  root: string,
  files: readonly FileToCheck[],
  options: CheckFilesOptions
): Promise<(readonly [TreePath, CheckedFile])[]> {
  const paths = files.map(({ path }) => path)
  const buffer = new ArrayBuffer(Math.min(batchBytes, files.reduce((sum, { size }) => sum + size, 0) + 1))
  const request = { root, paths, buffer, start: 0 }
  const { outcomes } = await options.workers.run('read-files', request, {
    transfer: [buffer],
    signal: options.signal
  })
  const checked: (readonly [TreePath, CheckedFile])[] = []
  for (const [i, outcome] of outcomes.entries()) {
    const path = paths[i] as TreePath
    if (outcome === 'later') checked.push([path, await checkFile(root, path, options)])
    else if ('torn' in outcome) checked.push([path, { type: 'unclear', message: outcome.torn }])
    else if ('error' in outcome) checked.push([path, failed(unpackError(outcome.error))])
    else {
      const { offset: _, ...file } = outcome
      checked.push([path, { type: 'read', file }])
    }
  }
  return checked
}

/** Reads one file whole, whatever its size. @throws the signal's reason */
export async function checkFile(
  root: string,
  path: TreePath,
  { workers, signal }: CheckFilesOptions
): Promise<CheckedFile> {
  let fd: number | undefined
  const lane = workers.lane()
  const id = nextSumId()
  let isTaken = false
  const take = () => {
    isTaken = true
    return lane.run('take-sum', { id })
  }
  try {
    fd = openBeneath(root, path)
    if (!fstatSync(fd).isFile()) return { type: 'absent' }
    const before = await settledStat(fd)
    for (let offset = 0; offset < before.size; offset += rangeBytes) {
      signal.throwIfAborted()
      const length = Math.min(rangeBytes, before.size - offset)
      const isThere = await lane.run('sum-range', { id, fd, offset, length })
      if (!isThere) throw new TornRead('It became shorter while it was read')
    }
    const hash = await take()
    return { type: 'read', file: readFileOf(before, fstatSync(fd), { size: before.size, hash }) }
  } catch (error) {
    signal.throwIfAborted()
    return failed(error)
  } finally {
    if (!isTaken) await take().catch(() => {})
    lane.release()
    if (fd !== undefined) closeSync(fd)
  }
}

function failed(error: unknown): CheckedFile {
  const code = systemCode(error)
  if (error instanceof TornRead) return { type: 'unclear', message: error.message }
  if (code === undefined) throw error
  if (isAbsence(error) || code === 'ENXIO' || code === 'ELOOP') return { type: 'absent' }
  const { message } = error as Error
  return code === 'EIO' || code === 'EBADMSG' || code === 'EUCLEAN'
    ? { type: 'broken', message }
    : { type: 'unclear', message }
}
