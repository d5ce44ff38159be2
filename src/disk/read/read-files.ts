import { hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { chunkBytesMin } from '../../chunk/chunker.ts'
import type { TreePath } from '../../tree/path.ts'
import { Beneath } from '../path/beneath.ts'
import { type PackedError, packError, type Reply } from '../threads/worker-port.ts'
import { type ReadFile, readFileOf, TornRead } from './read.ts'
import { isRacy } from './seen.ts'

declare module '../threads/jobs.ts' {
  interface JobTypes {
    'read-files': typeof readFiles
  }
}

export interface ReadFilesRequest {
  readonly root: string
  readonly paths: readonly TreePath[]
  /** Receives the contents, one after the other, and returns with the answer. */
  readonly buffer: ArrayBuffer
  /** The offset of the first content in it. */
  readonly start: number
}

/** The result for one file. */
export type ReadOutcome =
  /** The file was read; its content begins at `offset` of the buffer. */
  | (ReadFile & { readonly offset: number })
  | { readonly torn: string }
  | { readonly error: PackedError }
  /** To be read alone: the file changed a moment ago, isn't small any more, or didn't fit. */
  | 'later'

export interface ReadFilesAnswer {
  readonly buffer: ArrayBuffer
  /** In the order of `paths`. */
  readonly outcomes: readonly ReadOutcome[]
}

/** Reads many small files, by the rules of `readChunks`. */
export function readFiles({ root, paths, buffer, start }: ReadFilesRequest): Reply<ReadFilesAnswer> {
  const beneath = new Beneath(root)
  const room = new Uint8Array(buffer)
  let end = start
  try {
    const outcomes = paths.map((path) => {
      const outcome = readFile(beneath, path, room, end)
      if (typeof outcome === 'object' && 'offset' in outcome) end += outcome.size
      return outcome
    })
    return { answer: { buffer, outcomes }, transfer: [buffer] }
  } finally {
    beneath.release()
  }
}

function readFile(beneath: Beneath, path: TreePath, room: Uint8Array, offset: number): ReadOutcome {
  try {
    // Non-blocking: a FIFO may have replaced the scanned file.
    const fd = openSync(beneath.locate(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return readOpen(fd, room, offset)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return error instanceof TornRead ? { torn: error.message } : { error: packError(error) }
  }
}

function readOpen(fd: number, room: Uint8Array, offset: number): ReadOutcome {
  const before = fstatSync(fd)
  // Reading one byte more than its size detects that it grows.
  const isSmall = before.size < chunkBytesMin && offset + before.size < room.length
  if (!before.isFile() || !isSmall || isRacy(before, Date.now())) return 'later'
  const size = readAll(fd, room.subarray(offset, offset + before.size + 1))
  const content = { size, hash: hash('sha256', room.subarray(offset, offset + size), 'hex') }
  return { ...readFileOf(before, fstatSync(fd), content), offset }
}

/** Reads to the end, or until `into` is full. @returns how many bytes */
function readAll(fd: number, into: Uint8Array): number {
  let filled = 0
  while (filled < into.length) {
    const read = readSync(fd, into, filled, into.length - filled, null)
    filled += read
    // One byte is left over: the file has ended, or the size afterwards shows that it grew.
    if (read === 0 || filled === into.length - 1) break
  }
  return filled
}
