import * as c from 'compact-encoding'
import { firstCore } from '../tree/block-ref.ts'
import type { Entry, Extent, FileEntry } from '../tree/entry.ts'
import { emptyHash, mtimeMsMax, permissionBits } from '../tree/entry.ts'
import { overlapInPart } from './extent-overlap.ts'

/** Version of the record that this code writes. Readers skip fields that a later one adds. */
export const entryFormat = 1

/** Limits on what a record may claim; beyond them it is refused. */
export const limits = {
  /** 2 PiB: keeps every sum of two positions below 2^53. */
  sizeBytes: 2 ** 53 / 4,
  extents: 1 << 20,
  /** A file has at most one more extent than its size has this: what a record costs a reader is in proportion. */
  extentBytes: 4096,
  linkTargetBytes: 4095,
  /** The range of the codec's signed integers: 142,000 years each way. */
  mtimeMs: mtimeMsMax
} as const

/** How the types of entries are numbered. */
export const types = { file: 1, directory: 2, symlink: 3 } as const
export const hashBytes = 32
const packedFlag = 1
/** The number of a core other than the first follows. */
const coreFlag = 2

/** A log's value for one path. FORMAT.md has the layout. */
export function encodeEntry(entry: Entry): Buffer {
  const state: c.State = { start: 0, end: 0, buffer: null }
  for (const write of [preencoder, encoder]) {
    if (write === encoder) state.buffer = Buffer.allocUnsafe(state.end)
    writeEntry(write, state, entry)
  }
  return state.buffer as Buffer
}

interface Writer {
  uint(state: c.State, value: number): void
  int(state: c.State, value: number): void
  bytes(state: c.State, value: Uint8Array): void
  fixed(state: c.State, value: Uint8Array): void
}

const preencoder: Writer = {
  uint: c.uint.preencode,
  int: c.int.preencode,
  bytes: c.buffer.preencode,
  fixed: c.fixed32.preencode
}

const encoder: Writer = {
  uint: c.uint.encode,
  int: c.int.encode,
  bytes: c.buffer.encode,
  fixed: c.fixed32.encode
}

function writeEntry(write: Writer, state: c.State, entry: Entry): void {
  write.uint(state, entryFormat)
  write.uint(state, types[entry.type])
  write.int(state, entry.mtimeMs)
  if (entry.type === 'symlink') {
    write.bytes(state, Buffer.from(entry.target))
    return
  }
  write.uint(state, entry.mode)
  if (entry.type === 'directory') return
  write.uint(state, entry.size)
  write.fixed(state, Buffer.from(entry.hash, 'hex'))
  writeExtents(write, state, entry.extents)
}

function writeExtents(write: Pick<Writer, 'uint'>, state: c.State, extents: readonly Extent[]): void {
  write.uint(state, extents.length)
  for (const extent of extents) {
    const isElsewhere = extent.core !== firstCore
    write.uint(state, (extent.packed ? packedFlag : 0) | (isElsewhere ? coreFlag : 0))
    if (isElsewhere) write.uint(state, extent.core)
    write.uint(state, extent.block)
    write.uint(state, extent.blocks)
    write.uint(state, extent.offset)
    write.uint(state, extent.length)
  }
}

/** Writes the extents of a file where there is room for them. */
export function encodeExtents(state: c.State, extents: readonly Extent[]): void {
  writeExtents(encoder, state, extents)
}

/**
 * The entry in a log's value, which anybody may have written.
 *
 * @param cores how many content cores its extents may name; a log of one writer names its own alone
 * @throws {RangeError} saying what is wrong with it
 */
export function decodeEntry(value: Uint8Array, cores = 1): Entry {
  const state: c.State = { start: 0, end: value.length, buffer: value }
  try {
    const format = c.uint.decode(state)
    if (format < 1) throw new RangeError(`a record of format ${format}`)
    const type = c.uint.decode(state)
    const mtimeMs = c.int.decode(state)
    // The codec rounds what exceeds 2^53, so anything beyond the limit is refused as such.
    if (!Number.isSafeInteger(mtimeMs) || Math.abs(mtimeMs) > limits.mtimeMs)
      throw new RangeError('a time out of range')
    if (type === types.symlink) return { type: 'symlink', mtimeMs, target: readTarget(c.buffer.decode(state)) }
    const mode = c.uint.decode(state)
    if (mode > permissionBits) throw new RangeError(`mode ${mode.toString(8)}, beyond permission bits`)
    if (type === types.directory) return { type: 'directory', mode, mtimeMs }
    if (type === types.file) return { type: 'file', mode, mtimeMs, ...readContent(state, cores) }
    throw new RangeError(`an entry of the unknown type ${type}`)
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new RangeError('a record that ends too early', { cause: error })
  }
}

/** The target of a link. Throws a `RangeError` where it can't be one. */
export function readTarget(bytes: Uint8Array | null): string {
  if (bytes === null || bytes.length === 0) throw new RangeError('a link without a target')
  if (bytes.length > limits.linkTargetBytes) throw new RangeError('a link target that is too long')
  const target = decodeUtf8(bytes)
  if (target === undefined || target.includes('\0')) throw new RangeError('a link target that is not text')
  return target
}

function readContent(state: c.State, cores: number): Pick<FileEntry, 'size' | 'hash' | 'extents'> {
  const size = c.uint.decode(state)
  if (size > limits.sizeBytes) throw new RangeError('a size out of range')
  const hash = Buffer.from(c.fixed32.decode(state)).toString('hex')
  if (hash.length !== hashBytes * 2) throw new RangeError('a record that ends too early')
  const extents = readExtents(state, size, cores)
  if (size === 0 && hash !== emptyHash) throw new RangeError('an empty file whose hash is not that of nothing')
  return { size, hash, extents }
}

/** The extents of a file of `size` bytes. Throws a `RangeError` where they can't be its. */
export function readExtents(state: c.State, size: number, cores = 1): Extent[] {
  const count = c.uint.decode(state)
  if (count > limits.extents || count > 1 + size / limits.extentBytes) {
    throw new RangeError(`${count} extents for ${size} bytes, too many`)
  }
  const extents: Extent[] = []
  let total = 0
  for (let i = 0; i < count; i++) {
    const extent = readExtent(state, cores)
    total += extent.length
    extents.push(extent)
  }
  if (total !== size) throw new RangeError(`extents of ${total} bytes for a file of ${size}`)
  if (overlapInPart(extents)) throw new RangeError('extents that overlap in part')
  return extents
}

function readExtent(state: c.State, cores: number): Extent {
  const flags = c.uint.decode(state)
  if (flags > (packedFlag | coreFlag)) throw new RangeError(`an extent of the unknown kind ${flags}`)
  const core = (flags & coreFlag) === 0 ? firstCore : c.uint.decode(state)
  if (core >= cores) throw new RangeError(`an extent of the content core ${core}, which the log does not name`)
  const block = c.uint.decode(state)
  const blocks = c.uint.decode(state)
  const offset = c.uint.decode(state)
  const length = c.uint.decode(state)
  for (const value of [block, blocks, offset, length]) {
    if (value > limits.sizeBytes) throw new RangeError('an extent out of range')
  }
  if (blocks === 0 || length === 0) throw new RangeError('an empty extent')
  const packed = (flags & packedFlag) !== 0
  if (packed && blocks !== 1) throw new RangeError('a pack of several blocks')
  return { core, block, blocks, offset, length, packed }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `bytes` as text, or `undefined` when they aren't UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
