import { createHash, type Hash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { chunkBytesMax, cutPoint } from '../../chunk/chunker.ts'
import { hashLeaf } from '../threads/leaf-hasher.ts'
import type { Reply } from '../threads/worker-port.ts'

/** The part of a file that is in memory: it contains at least one complete chunk. */
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

/** Shared by all jobs of a thread, which run one at a time. */
function buffer(): Buffer {
  room ??= Buffer.allocUnsafeSlow(windowBytes)
  return room
}

/** Running hashes of files. A lane sends all jobs of a file to one thread. */
const sums = new Map<number, Hash>()

function sumOf(id: number): Hash {
  const sum = sums.get(id) ?? createHash('sha256')
  sums.set(id, sum)
  return sum
}

/**
 * Finds the next chunks of a file from `offset` on, where one begins. Their sum falls short of `size` if the file became
 * shorter.
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

/** Adds bytes of a file to its running hash. @returns `false` if the file is too short */
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

/** The hashes in Hypercore's tree of consecutive chunks of a file. */
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

/** Writes bytes to a file and adds them to its running hash. */
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

/** Finishes a running hash: its SHA-256 in hexadecimal. */
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
