import { crc32 } from 'node:zlib'
import type Hypercore from 'hypercore'
import { decodeHead, headKey } from '../../format/head-codec.ts'
import type { TreePath } from '../../tree/path.ts'
import { decodeBlock } from './bee-view.ts'
import { hasValue, keyIn, piecesOf, type Run } from './blocks.ts'
import { headerLength } from './entries.ts'
import { headsComeFirst } from './history.ts'

/** The file of an index. It may be lost at any time: the index is built again. */
export interface IndexFile {
  /** The whole file; `undefined` if there is none that can be read. */
  read(): Uint8Array | undefined
  /** Replaces the file; does nothing if it can't be written. */
  write(parts: readonly Uint8Array[]): void
}

/** A run of whole versions that may concern a path. */
export interface VersionsRun extends Run {
  /** The blocks needed to report on the path, in order; with the last block of each version. */
  readonly parts: readonly Run[]
}

export interface ExtendOptions {
  readonly signal: AbortSignal
  /** Awaited between two chunks, so that more urgent work comes first. */
  readonly rest?: () => Promise<void>
}

/** The paths in `chunkBlocks` blocks. */
interface Chunk {
  /** Hashes of the paths that are put, and of all directories above each. */
  readonly puts: Uint32Array
  /** The same of paths that are removed. */
  readonly removals: Uint32Array
  /** Ends of versions, counted from the first block of the chunk. */
  readonly ends: Uint32Array
}

const magic = Buffer.from('p2pi')
const format = 1
const headerBytes = 40
const chunkBlocks = 512
/** How many blocks may lie behind the index, which are read one by one: few, or a small part of those in the index. */
const restBlocksMax = 8 * chunkBlocks
const restShareMax = 1 / 16

const head = Buffer.from(headKey)
const slash = 0x2f

/**
 * Maps paths to the blocks of an entries core that may change them, so that nobody has to read all of them: for each
 * chunk of 512 blocks, hashes of 32 bits of the paths in it, and the ends of versions. It grows with the log, or when
 * it is first asked, and is kept in a file.
 *
 * FORMAT of the file, numbers of four bytes, little-endian: `p2pi`, the format, the tree hash (32 bytes) of the core at
 * the length that the chunks reach to. For each chunk the counts of the paths that it puts, of those that it removes
 * and of the ends, the three lists, and the CRC-32 of all that. A path's hash is FNV-1a of its UTF-8 bytes. A damaged
 * file counts as missing; the tree hash tells a file of another history of the log.
 */
export class PathIndex {
  readonly #core: Hypercore
  readonly #file: IndexFile
  #chunks: Chunk[] = []
  /** The fork that the chunks belong to, once checked. */
  #fork: number | undefined
  #isExtending = false

  constructor(core: Hypercore, file: IndexFile) {
    this.#core = core
    this.#file = file
  }

  /** The length of the core that the index covers. */
  get length(): number {
    return this.#chunks.length === 0 ? headerLength : this.#chunks.length * chunkBlocks
  }

  /**
   * Indexes the blocks up to a length if there are many of them and no other call is doing so. All of them have to be
   * here. Throws a `RangeError` if one is no block of a Hyperbee.
   */
  async extend(to: number, { signal, rest }: ExtendOptions): Promise<void> {
    if (this.#isExtending) return
    this.#isExtending = true
    let before = 0
    try {
      await this.#know()
      before = this.length
      if (to - before <= Math.max(restBlocksMax, before * restShareMax)) return
      // Where an earlier writer's versions end isn't known from one block.
      if (await headsComeFirst(this.#core)) return
      const chunks = this.#chunks
      for (let at = chunks.length; (at + 1) * chunkBlocks <= to; at++) {
        signal.throwIfAborted()
        const chunk = await readChunk(this.#core, at * chunkBlocks)
        // The log may change its fork meanwhile.
        if (this.#fork !== this.#core.fork || this.#chunks !== chunks) return
        chunks.push(chunk)
        await rest?.()
      }
    } finally {
      this.#isExtending = false
      if (before > 0 && this.length > before) await this.#write()
    }
  }

  /** The runs of versions that may change a path, or one beneath it: from one end of a version to another, in order. */
  async runs(path: TreePath, from: number, to: number): Promise<readonly VersionsRun[]> {
    await this.#know()
    const hash = hashOf(Buffer.from(path))
    const runs: { start: number; end: number }[] = []
    const add = (start: number, end: number) => {
      const last = runs.at(-1)
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
      else if (end > start) runs.push({ start, end })
    }
    for (const [i, { puts, removals }] of this.#chunks.entries()) {
      const [start, end] = [i * chunkBlocks, (i + 1) * chunkBlocks]
      if (end <= from || start >= to || !(puts.includes(hash) || removals.includes(hash))) continue
      add(Math.max(from, this.#endAtOrBefore(start)), Math.min(to, this.#endAtOrAfter(end) ?? to))
    }
    if (this.length < to) add(Math.max(from, this.#endAtOrBefore(this.length)), to)
    return runs.map((run) => ({ ...run, parts: this.#partsOf(run, hash) }))
  }

  /** A path that comes or goes may be one end of a move: the other may be anywhere that a path goes or comes. */
  #partsOf({ start, end }: Run, hash: number): readonly Run[] {
    const chunks = this.#chunks.slice(Math.floor(start / chunkBlocks), Math.ceil(end / chunkBlocks))
    const comes = chunks.some(({ puts }) => puts.includes(hash))
    const goes = chunks.some(({ removals }) => removals.includes(hash))
    const parts: { start: number; end: number }[] = []
    const add = (from: number, to: number) => {
      const [first, last] = [Math.max(start, from), parts.at(-1)]
      if (last !== undefined && first <= last.end) last.end = Math.max(last.end, Math.min(end, to))
      else if (first < Math.min(end, to)) parts.push({ start: first, end: Math.min(end, to) })
    }
    for (const [i, { puts, removals, ends }] of chunks.entries()) {
      const at = (Math.floor(start / chunkBlocks) + i) * chunkBlocks
      const isMove = (comes && removals.length > 0) || (goes && puts.length > 0)
      if (isMove || puts.includes(hash) || removals.includes(hash)) add(at, at + chunkBlocks)
      else for (const length of ends) add(at + length - 1, at + length)
    }
    add(this.length, end)
    return parts
  }

  #endAtOrBefore(length: number): number {
    for (let i = Math.ceil(length / chunkBlocks) - 1; i >= 0; i--) {
      const end = this.#chunks[i]?.ends.findLast((at) => i * chunkBlocks + at <= length)
      if (end !== undefined) return i * chunkBlocks + end
    }
    return headerLength
  }

  #endAtOrAfter(length: number): number | undefined {
    for (let i = Math.max(0, Math.ceil(length / chunkBlocks) - 1); i < this.#chunks.length; i++) {
      const end = this.#chunks[i]?.ends.find((at) => i * chunkBlocks + at >= length)
      if (end !== undefined) return i * chunkBlocks + end
    }
    return undefined
  }

  /** Makes sure that the chunks belong to the present fork of the core. */
  async #know(): Promise<void> {
    const { fork } = this.#core
    if (this.#fork === fork) return
    const known = decode(this.#file.read())
    const isOfThis = known?.treeHash.equals(await this.#treeHash(known.chunks.length))
    if (this.#fork === fork) return
    this.#chunks = isOfThis ? (known?.chunks ?? []) : []
    this.#fork = fork
  }

  /** Empty if the core is shorter, or the last block is missing. */
  async #treeHash(chunks: number): Promise<Buffer> {
    const length = chunks * chunkBlocks
    if (length === 0 || length > this.#core.length || !(await this.#core.has(length - 1))) return Buffer.alloc(0)
    return this.#core.treeHash(length)
  }

  async #write(): Promise<void> {
    const chunks = [...this.#chunks]
    const treeHash = await this.#treeHash(chunks.length)
    if (this.#core.fork === this.#fork && treeHash.length > 0) this.#file.write(encode({ chunks, treeHash }))
  }
}

interface Known {
  readonly chunks: Chunk[]
  readonly treeHash: Buffer
}

async function readChunk(core: Hypercore, start: number): Promise<Chunk> {
  const puts = new Set<number>()
  const removals = new Set<number>()
  const ends: number[] = []
  for await (const piece of piecesOf(core, [{ start: Math.max(start, headerLength), end: start + chunkBlocks }])) {
    for (const { seq, bytes } of piece) {
      const key = keyIn(bytes)
      if (!head.equals(key)) addHashes(key, hasValue(bytes, key) ? puts : removals)
      else if (!decodeHead(decodeBlock(bytes).value ?? Buffer.alloc(0)).unfinished) ends.push(seq + 1 - start)
    }
  }
  return { puts: Uint32Array.from(puts), removals: Uint32Array.from(removals), ends: Uint32Array.from(ends) }
}

/** FNV-1a of a path, and of each directory above it. */
function addHashes(path: Uint8Array, hashes: Set<number>): void {
  let hash = 0x811c9dc5
  for (const byte of path) {
    if (byte === slash) hashes.add(hash >>> 0)
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  hashes.add(hash >>> 0)
}

function hashOf(path: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of path) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function encode({ chunks, treeHash }: Known): readonly Uint8Array[] {
  const header = Buffer.alloc(headerBytes)
  magic.copy(header)
  header.writeUInt32LE(format, magic.length)
  treeHash.copy(header, headerBytes - treeHash.length)
  return [header, ...chunks.map(encodeChunk)]
}

function encodeChunk({ puts, removals, ends }: Chunk): Uint8Array {
  const lists = [puts, removals, ends]
  const numbers = Uint32Array.from([...lists.map(({ length }) => length), ...lists.flatMap((list) => [...list])])
  const bytes = Buffer.alloc(4 * (numbers.length + 1))
  for (const [i, number] of numbers.entries()) bytes.writeUInt32LE(number, 4 * i)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), 4 * numbers.length)
  return bytes
}

function decode(file: Uint8Array | undefined): Known | undefined {
  if (file === undefined || file.length < headerBytes) return undefined
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length)
  if (!bytes.subarray(0, magic.length).equals(magic) || bytes.readUInt32LE(magic.length) !== format) return undefined
  const chunks: Chunk[] = []
  for (let at = headerBytes; at < bytes.length; ) {
    const chunk = decodeChunk(bytes, at)
    if (chunk === undefined) return undefined
    chunks.push(chunk)
    at += 4 * (chunk.puts.length + chunk.removals.length + chunk.ends.length + 4)
  }
  return { chunks, treeHash: bytes.subarray(headerBytes - 32, headerBytes) }
}

function decodeChunk(bytes: Buffer, start: number): Chunk | undefined {
  const listsAt = start + 12
  if (listsAt > bytes.length) return undefined
  const counts = [0, 4, 8].map((at) => bytes.readUInt32LE(start + at))
  const end = listsAt + 4 * counts.reduce((sum, count) => sum + count)
  if (end + 4 > bytes.length || bytes.readUInt32LE(end) !== crc32(bytes.subarray(start, end))) return undefined
  let at = listsAt
  const [puts, removals, ends] = counts.map((count) => {
    const list = new Uint32Array(count)
    for (let i = 0; i < count; i++, at += 4) list[i] = bytes.readUInt32LE(at)
    return list
  }) as [Uint32Array, Uint32Array, Uint32Array]
  return { puts, removals, ends }
}
