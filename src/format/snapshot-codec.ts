import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'
import * as c from 'compact-encoding'
import { firstCore } from '../tree/block-ref.ts'
import { type Entry, emptyHash, permissionBits } from '../tree/entry.ts'
import { pathFault, type TreePath } from '../tree/path.ts'
import { decodeUtf8, encodeExtents, hashBytes, limits, readExtents, readTarget, types } from './entry-codec.ts'

/**
 * A snapshot is all entries of a version, in blocks of the content core that are read each by itself. What an entry
 * shares with the one before it isn't told again, and hashes, which nothing compresses, stand apart. A delta tells in
 * the same way what changed between two versions. FORMAT.md has the layout.
 */

/** Where a snapshot is, and what of. */
export interface SnapshotPointer {
  /** Index of its first block in the content core. */
  readonly block: number
  readonly blocks: number
  /** The version whose entries it holds, as a length of the entries core. */
  readonly length: number
  readonly entries: number
}

/** Where a delta is, and what of. */
export interface DeltaPointer {
  /** Index of its first block in the content core. */
  readonly block: number
  readonly blocks: number
  /** The versions between which it tells what changed, as lengths of the entries core. */
  readonly since: number
  readonly length: number
  /** Paths that were put or removed. */
  readonly entries: number
}

/** Limits on one block, beyond which it is refused. */
export const snapshotLimits = {
  entries: 4096,
  /** Entries before compression, without their hashes. */
  rowsBytes: 1024 * 1024,
  /** Paths, each as a whole. */
  pathsBytes: 1024 * 1024,
  blockBytes: 2 * 1024 * 1024,
  /** A block has at least as many bytes for each of its entries: what it costs a reader is in proportion. */
  entryBytesMin: 8
} as const

/** Rows after which a block is full. */
const rowsBytesTarget = 256 * 1024
const coding = 1
/** Of the types, and two bits more. */
const typeMask = 3
/** Stands for the type where a path was removed. */
const removedType = 0
const ownTimeFlag = 4
const followsFlag = 8
/** Times further apart aren't told by their difference: the codec's integers end there. */
const timeStepMax = 2 ** 51

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)

/** One entry, with its path. */
export type SnapshotRow = readonly [path: TreePath, entry: Entry]

/** The same in a delta; `undefined` where the path was removed. */
export type DeltaRow = readonly [path: TreePath, entry: Entry | undefined]

/**
 * The blocks of a snapshot, or of a delta.
 *
 * @param rows ascending by the bytes of their paths
 * @throws {RangeError} when an entry is too large for any block
 */
export async function* encodeRows(rows: Iterable<DeltaRow>): AsyncGenerator<Buffer> {
  let block = new BlockBuilder()
  for (const row of rows) {
    if (block.add(row)) continue
    if (block.entries > 0) yield await block.encode()
    block = new BlockBuilder()
    if (!block.add(row)) throw new RangeError('An entry is too large for any block')
  }
  if (block.entries > 0) yield await block.encode()
}

/** What the next row of a block is told in relation to. */
class Before {
  path: Buffer = Buffer.alloc(0)
  mtimeMs = 0
  /** Where a content that is packed right behind the last one begins. */
  block = 0
  offset = 0

  set(path: Buffer, entry: Entry | undefined): void {
    this.path = path
    if (entry === undefined) return
    this.mtimeMs = entry.mtimeMs
    const last = entry.type === 'file' ? entry.extents.at(-1) : undefined
    if (last === undefined) return
    this.block = last.block
    this.offset = last.offset + last.length
  }
}

class BlockBuilder {
  entries = 0
  #rows = Buffer.allocUnsafe(64 * 1024)
  #state: c.State = { start: 0, end: 0, buffer: this.#rows }
  readonly #hashes: Buffer[] = []
  readonly #before = new Before()
  #pathsBytes = 0
  #end = 0

  /** Adds a row. @returns whether there was room for it */
  add([path, entry]: DeltaRow): boolean {
    const key = Buffer.from(path)
    const start = this.#state.start
    this.#makeRoom(key.length + rowBytesMax(entry))
    this.#write(key, entry)
    const isFull = this.#state.start > rowsBytesTarget || this.#pathsBytes + key.length > snapshotLimits.pathsBytes
    if (this.entries === snapshotLimits.entries || (this.entries > 0 && isFull)) return false
    if (this.#state.start - start > snapshotLimits.rowsBytes) return false
    this.entries++
    this.#pathsBytes += key.length
    if (entry?.type === 'file' && entry.size > 0) this.#hashes.push(Buffer.from(entry.hash, 'hex'))
    this.#before.set(key, entry)
    this.#end = this.#state.start
    return true
  }

  /** The block. Nothing may be added afterwards. */
  async encode(): Promise<Buffer> {
    const rows = this.#rows.subarray(0, this.#end)
    // Quality 4: what is left to compress is little, and costs less time than with lower ones.
    const params = { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: rows.length }
    const packed = await compress(rows, { params })
    const head = [coding, this.entries, packed.length].map((number) => c.encode(c.uint, number))
    const block = Buffer.concat([...head, packed, ...this.#hashes])
    const padding = snapshotLimits.entryBytesMin * this.entries - block.length
    return padding > 0 ? Buffer.concat([block, Buffer.alloc(padding)]) : block
  }

  #makeRoom(bytes: number): void {
    const needed = this.#state.start + bytes
    if (needed <= this.#rows.length) return
    const rows = Buffer.allocUnsafe(Math.max(needed, 2 * this.#rows.length))
    rows.set(this.#rows.subarray(0, this.#state.start))
    this.#rows = rows
    this.#state.buffer = rows
  }

  #write(key: Buffer, entry: Entry | undefined): void {
    const [state, before] = [this.#state, this.#before]
    state.end = this.#rows.length
    if (entry === undefined) {
      c.uint.encode(state, removedType)
      writeKey(state, before.path, key)
      return
    }
    const step = entry.mtimeMs - before.mtimeMs
    const ownTime = Math.abs(step) > timeStepMax
    const follows = entry.type === 'file' && followsOn(entry, before)
    c.uint.encode(state, types[entry.type] | (ownTime ? ownTimeFlag : 0) | (follows ? followsFlag : 0))
    writeKey(state, before.path, key)
    c.int.encode(state, ownTime ? entry.mtimeMs : step)
    if (entry.type === 'symlink') c.buffer.encode(state, Buffer.from(entry.target))
    else c.uint.encode(state, entry.mode)
    if (entry.type !== 'file') return
    c.uint.encode(state, entry.size)
    if (entry.size > 0 && !follows) encodeExtents(state, entry.extents)
  }
}

function writeKey(state: c.State, before: Buffer, key: Buffer): void {
  const shared = sharedBytes(before, key)
  c.uint.encode(state, shared)
  c.buffer.encode(state, key.subarray(shared))
}

function rowBytesMax(entry: Entry | undefined): number {
  const uintBytesMax = 9
  const extents = entry?.type === 'file' ? entry.extents.length : 0
  const target = entry?.type === 'symlink' ? Buffer.byteLength(entry.target) : 0
  return (8 + 6 * extents) * uintBytesMax + target
}

/** Whether a content is one run of a pack, right behind that of the row before. */
function followsOn({ size, extents }: Entry & { type: 'file' }, { block, offset }: Before): boolean {
  const [extent] = extents
  if (extent === undefined || extents.length > 1) return false
  return (
    extent.packed &&
    extent.core === firstCore &&
    extent.block === block &&
    extent.offset === offset &&
    extent.length === size
  )
}

function sharedBytes(a: Buffer, b: Buffer): number {
  const max = Math.min(a.length, b.length)
  let at = 0
  while (at < max && a[at] === b[at]) at++
  return at
}

/**
 * What is in a block of a snapshot or a delta, which anybody may have written. What is wrong with one of them is wrong with
 * the block.
 *
 * @param after the path that all of them come after; none when left out
 * @throws {RangeError} saying what is wrong with it
 */
export async function decodeRows(block: Uint8Array, after?: TreePath): Promise<readonly DeltaRow[]> {
  if (block.length > snapshotLimits.blockBytes) throw new RangeError('a block that is too large')
  try {
    const state: c.State = { start: 0, end: block.length, buffer: block }
    const kind = c.uint.decode(state)
    if (kind !== coding) throw new RangeError(`a snapshot of the unknown kind ${kind}`)
    const entries = c.uint.decode(state)
    if (entries === 0 || entries > snapshotLimits.entries) throw new RangeError(`a block of ${entries} entries`)
    if (entries * snapshotLimits.entryBytesMin > block.length) {
      throw new RangeError(`${entries} entries in a block of ${block.length} bytes, too many`)
    }
    const packed = c.buffer.decode(state) ?? nothing
    const rows = await decompress(packed, { maxOutputLength: snapshotLimits.rowsBytes })
    return readRows(rows, entries, block.subarray(state.start), after)
  } catch (error) {
    if (error instanceof RangeError && !('code' in error)) throw error
    throw new RangeError('a block that ends too early, or does not unpack', { cause: error })
  }
}

/**
 * The first path of a block, as bytes.
 *
 * @throws {RangeError} when it is none
 */
export async function firstPathIn(block: Uint8Array): Promise<Buffer> {
  const state: c.State = { start: 0, end: block.length, buffer: block }
  try {
    c.uint.decode(state)
    c.uint.decode(state)
    const rows = await decompress(c.buffer.decode(state) ?? nothing, { maxOutputLength: snapshotLimits.rowsBytes })
    const row: c.State = { start: 0, end: rows.length, buffer: rows }
    c.uint.decode(row)
    return readKey(row, nothing)
  } catch (error) {
    throw new RangeError('a block that ends too early, or does not unpack', { cause: error })
  }
}

const nothing = Buffer.alloc(0)

function readRows(bytes: Uint8Array, count: number, hashes: Uint8Array, after: TreePath | undefined): DeltaRow[] {
  const rows: DeltaRow[] = []
  const state: c.State = { start: 0, end: bytes.length, buffer: bytes }
  const hashState: c.State = { start: 0, end: hashes.length, buffer: hashes }
  const before = new Before()
  const first = Buffer.from(after ?? '')
  let pathsBytes = 0
  for (let i = 0; i < count; i++) {
    const flags = c.uint.decode(state)
    if (flags > (typeMask | ownTimeFlag | followsFlag)) throw new RangeError(`a row of the unknown kind ${flags}`)
    const key = readKey(state, before.path)
    if (Buffer.compare(i === 0 ? first : before.path, key) >= 0) throw new RangeError('paths out of order')
    pathsBytes += key.length
    if (pathsBytes > snapshotLimits.pathsBytes) throw new RangeError('paths that are too long')
    const entry = flags === removedType ? undefined : readRow(state, flags, before, hashState)
    before.set(key, entry)
    rows.push([pathOf(key), entry])
  }
  return rows
}

function readKey(state: c.State, before: Buffer): Buffer {
  const shared = c.uint.decode(state)
  if (shared > before.length) throw new RangeError('a path that shares more than there is')
  return Buffer.concat([before.subarray(0, shared), c.buffer.decode(state) ?? nothing])
}

function pathOf(key: Buffer): TreePath {
  const text = decodeUtf8(key)
  const fault = text === undefined ? 'a name that is not UTF-8' : pathFault(text)
  if (fault !== undefined) throw new RangeError(fault)
  return text as TreePath
}

function readRow(state: c.State, flags: number, before: Before, hashes: c.State): Entry {
  const time = c.int.decode(state)
  const mtimeMs = (flags & ownTimeFlag) !== 0 ? time : before.mtimeMs + time
  if (!Number.isSafeInteger(mtimeMs) || Math.abs(mtimeMs) > limits.mtimeMs) throw new RangeError('a time out of range')
  const type = flags & typeMask
  if (type === types.symlink) return { type: 'symlink', mtimeMs, target: readTarget(c.buffer.decode(state)) }
  const mode = c.uint.decode(state)
  if (mode > permissionBits) throw new RangeError(`mode ${mode.toString(8)}, beyond permission bits`)
  if (type === types.directory) return { type: 'directory', mode, mtimeMs }
  if (type !== types.file) throw new RangeError('an entry of an unknown type')
  const size = c.uint.decode(state)
  if (size > limits.sizeBytes) throw new RangeError('a size out of range')
  if (size === 0) return { type: 'file', mode, mtimeMs, size, hash: emptyHash, extents: [] }
  const { block, offset } = before
  const follows = (flags & followsFlag) !== 0
  if (follows && offset > limits.sizeBytes) throw new RangeError('an extent out of range')
  const extents = follows
    ? [{ core: firstCore, block, blocks: 1, offset, length: size, packed: true }]
    : readExtents(state, size)
  const hash = Buffer.from(c.fixed32.decode(hashes)).toString('hex')
  if (hash.length !== hashBytes * 2) throw new RangeError('a block that ends too early')
  return { type: 'file', mode, mtimeMs, size, hash, extents }
}
