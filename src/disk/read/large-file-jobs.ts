import { createHash, type Hash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { chunkBytesMax, cutPoint } from '../../chunk/chunker.ts'
import { hashLeaf } from '../threads/leaf-hasher.ts'
import type { Reply } from '../threads/worker-port.ts'

/** How much of a file is in memory at once: at least one chunk is whole in it. */
const windowBytes = 2 * chunkBytesMax
const hashBytes = 32

declare module '../threads/jobs.ts' {
  interface JobTypes {
    'cut-chunks': typeof cutChunks
    'hash-chunks': typeof hashChunks
    'sum-range': typeof sumRange
    'write-chunk': typeof writeChunk
    'take-sum': typeof takeSum
  }
}

let room: Buffer | undefined

/** The same for all jobs of a thread, which does one after the other. */
function buffer(): Buffer {
  room ??= Buffer.allocUnsafeSlow(windowBytes)
  return room
}

/** Hashes of files in the making; their jobs come to one thread. */
const sums = new Map<number, Hash>()

function sumOf(id: number): Hash {
  const sum = sums.get(id) ?? createHash('sha256')
  sums.set(id, sum)
  return sum
}

/**
 * Finds the next chunks of a file from `offset` on, where one begins. Fewer bytes than `size` promises show where the
 * file has become shorter.
 */
export function cutChunks({ fd, offset, size }: CutRequest): Reply<readonly number[]> {
  const bytes = fill(fd, buffer().subarray(0, Math.min(windowBytes, size - offset)), offset)
  const ended = offset + bytes.length >= size || bytes.length < windowBytes
  const lengths: number[] = []
  let start = 0
  for (;;) {
    const length = cutPoint(bytes.subarray(start), ended)
    if (length === 0) break
    lengths.push(length)
    start += length
  }
  return { answer: lengths }
}

/** Takes bytes of a file into its sum. @returns whether it has that many */
export function sumRange({ id, fd, offset, length }: SumRequest): Reply<boolean> {
  const sum = sumOf(id)
  for (let done = 0; done < length; ) {
    const bytes = fill(fd, buffer().subarray(0, Math.min(windowBytes, length - done)), offset + done)
    if (bytes.length === 0) return { answer: false }
    sum.update(bytes)
    done += bytes.length
  }
  return { answer: true }
}

export interface SumRequest {
  readonly id: number
  readonly fd: number
  readonly offset: number
  readonly length: number
}

export interface CutRequest {
  readonly fd: number
  readonly offset: number
  readonly size: number
}

/** The hashes, as Hypercore has them in its tree, of chunks that lie in a file one behind the other. */
export function hashChunks({ fd, offset, lengths }: HashRequest): Reply<Uint8Array> {
  const hashes = new Uint8Array(lengths.length * hashBytes)
  let at = offset
  for (const [i, length] of lengths.entries()) {
    const bytes = fill(fd, buffer().subarray(0, length), at)
    hashes.set(hashLeaf(bytes), i * hashBytes)
    at += length
  }
  return { answer: hashes, transfer: [hashes.buffer] }
}

export interface HashRequest {
  readonly fd: number
  readonly offset: number
  readonly lengths: readonly number[]
}

/** Writes bytes into a file, and takes them into its sum. */
export function writeChunk({ id, fd, offset, bytes }: WriteRequest): Reply<undefined> {
  const { length } = bytes
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done, offset + done)
  sumOf(id).update(bytes)
  return { answer: undefined }
}

export interface WriteRequest {
  readonly id: number
  readonly fd: number
  /** Where in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The SHA-256 of all that was taken into a sum, in hexadecimal. The sum is forgotten. */
export function takeSum({ id }: { readonly id: number }): Reply<string> {
  const answer = sumOf(id).digest('hex')
  sums.delete(id)
  return { answer }
}

function fill(fd: number, room: Buffer, offset: number): Buffer {
  let filled = 0
  for (;;) {
    const read = readSync(fd, room, filled, room.length - filled, offset + filled)
    filled += read
    if (read === 0 || filled === room.length) return room.subarray(0, filled)
  }
}
