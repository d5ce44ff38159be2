import type Hypercore from 'hypercore'
import { decodePack } from '../format/pack-codec.ts'
import type { Extent, FileEntry } from '../tree/entry.ts'

/** Bytes that may be on their way for one extent. */
const inFlightBytesMax = 8 * 1024 * 1024
const inFlightBlocksMax = 64
/** Unpacked packs kept: files of one directory share them, and are asked for together. */
const packsKept = 32

/** Reads contents out of a content core, fetching from peers what isn't here yet. */
export class ContentReader {
  readonly #core: Hypercore
  readonly #packs = new Map<number, Promise<Uint8Array>>()

  constructor(core: Hypercore) {
    // A session of its own: closing it ends all that still waits for a peer.
    this.#core = core.session()
  }

  /**
   * The content of a file from its first byte to its last. It isn't verified beyond the log's own
   * signatures: compare the hash.
   *
   * @throws {RangeError} when an extent reaches beyond its blocks
   */
  async *read(entry: FileEntry, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (const extent of entry.extents) {
      signal.throwIfAborted()
      if (extent.packed) yield cut(await this.#pack(extent.block), extent.offset, extent.length)
      else yield* this.#run(extent)
    }
  }

  close(): Promise<void> {
    return this.#core.close()
  }

  #pack(block: number): Promise<Uint8Array> {
    const known = this.#packs.get(block)
    const pack = known ?? this.#get(block).then(decodePack)
    this.#packs.delete(block) // Set again below, as the one used last.
    this.#packs.set(block, pack)
    pack.catch(() => this.#packs.delete(block))
    const oldest = this.#packs.keys().next().value
    if (this.#packs.size > packsKept && oldest !== undefined) this.#packs.delete(oldest)
    return pack
  }

  async *#run(extent: Extent): AsyncGenerator<Uint8Array> {
    const blockBytes = Math.ceil(extent.length / extent.blocks)
    const ahead = Math.min(inFlightBlocksMax, Math.max(2, Math.floor(inFlightBytesMax / blockBytes)))
    const waiting: Promise<Uint8Array>[] = []
    let asked = 0
    let left = extent.length
    for (let i = 0; i < extent.blocks; i++) {
      for (; asked < extent.blocks && waiting.length < ahead; asked++) {
        const block = this.#get(extent.block + asked)
        block.catch(() => {}) // It is awaited below, unless an earlier one fails.
        waiting.push(block)
      }
      const block = await (waiting.shift() as Promise<Uint8Array>)
      const bytes = i === 0 ? block.subarray(extent.offset) : block
      if (bytes.length === 0) throw new RangeError('an extent that begins beyond its block')
      const used = bytes.subarray(0, left)
      left -= used.length
      yield used
      if (left === 0) break
    }
    if (left > 0) throw new RangeError('an extent that reaches beyond its blocks')
  }

  async #get(index: number): Promise<Uint8Array> {
    const block = await this.#core.get(index)
    if (block === null) throw new RangeError(`Block ${index} can't be had`)
    return block
  }
}

function cut(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset + length > bytes.length) throw new RangeError('an extent that reaches beyond its pack')
  return bytes.subarray(offset, offset + length)
}
