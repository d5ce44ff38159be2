import { join } from 'node:path'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import { Node, YoloIndex } from 'hyperbee/lib/messages.js'
import type Hypercore from 'hypercore'
import ids from 'hypercore-id-encoding'
import CorestoreStorage from 'hypercore-storage'
import { hashOf } from './entries.ts'
import { joinAsPeer } from './network.ts'

/** Overrides for the record of a file; each field has a fitting default. */
export interface FileRecord {
  readonly type?: number
  readonly mode?: number
  readonly size?: number
  readonly hash?: string
  /** Flags, first block, blocks, offset, length. */
  readonly extents?: readonly (readonly number[])[]
}

export interface HostileOptions {
  /** The content core named in the header; by default the right one, none if `null`. */
  readonly contentFeed?: Uint8Array | null
  /** The first blocks of the entries core, in place of a Hyperbee. */
  readonly blocks?: readonly Uint8Array[]
}

/**
 * A writer that puts whatever the test wants into a log, which real readers follow over a private DHT. It
 * shares no encoder with the program, so nothing corrects its mistakes.
 */
export class HostileWriter {
  readonly entries: Hypercore
  readonly content: Hypercore
  readonly bee: Hyperbee

  private constructor(entries: Hypercore, content: Hypercore, bee: Hyperbee) {
    this.entries = entries
    this.content = content
    this.bee = bee
  }

  static async open(
    t: Assert,
    bootstrap: readonly { readonly host: string; readonly port: number }[],
    options: HostileOptions = {}
  ): Promise<HostileWriter> {
    const store = new Corestore(new CorestoreStorage(join(await t.tmp(), 'store')))
    await store.ready()
    const entries = store.get({ name: 'entries' })
    const content = store.get({ name: 'content' })
    await Promise.all([entries.ready(), content.ready()])
    if (options.blocks !== undefined) await entries.append(options.blocks)
    const contentFeed = options.contentFeed === undefined ? content.key : options.contentFeed
    const bee = new Hyperbee(entries, {
      keyEncoding: 'binary',
      valueEncoding: 'binary',
      extension: false,
      ...(contentFeed === null ? {} : { metadata: { contentFeed } })
    })
    await bee.ready()
    await joinAsPeer(t, {
      secret: entries.key,
      keyPair: await store.createKeyPair('peer'),
      bootstrap,
      onCarrier: (stream) => void store.replicate(stream)
    })
    t.teardown(() => store.close())
    return new HostileWriter(entries, content, bee)
  }

  get key(): string {
    return ids.encode(this.entries.key)
  }

  /** Makes a version: puts each pair, and removes keys whose value is `undefined`. */
  async put(pairs: readonly (readonly [key: string | Buffer, value: Buffer | undefined])[]): Promise<void> {
    const batch = this.bee.batch()
    for (const [key, value] of pairs) {
      if (value === undefined) await batch.del(Buffer.from(key))
      else await batch.put(Buffer.from(key), value)
    }
    await batch.flush()
  }

  /** The same with a head, as an honest writer does. */
  async putWithHead(
    pairs: readonly (readonly [key: string | Buffer, value: Buffer | undefined])[],
    contentLength = this.content.length
  ): Promise<void> {
    await this.put([[headKey, headRecord(contentLength)], ...pairs])
  }

  /** Stores a content as a bare block. @returns the record of a good file that holds it */
  async goodFile(content: string | Uint8Array, record: FileRecord = {}): Promise<Buffer> {
    return fileRecord(content, { extents: [await this.block(content)], ...record })
  }

  /** Appends a bare block. @returns the extent that covers it */
  async block(content: string | Uint8Array): Promise<readonly number[]> {
    const block = this.content.length
    await this.content.append(Buffer.from(content))
    return [0, block, 1, 0, Buffer.byteLength(content)]
  }
}

/** A hand-made block of a Hyperbee: `levels` are its nodes, the first the root of a tree. */
export function beeBlock(
  key: string,
  value: Buffer,
  levels: readonly { readonly keys: readonly number[]; readonly children?: readonly number[] }[]
): Buffer {
  const index = YoloIndex.encode({ levels: levels.map(({ keys, children = [] }) => ({ keys, children })) })
  return Node.encode({ key: Buffer.from(key), value, index })
}

export const headKey = '\0head'

export function headRecord(contentLength: number): Buffer {
  return uints(1, 0, 1_700_000_000_000, 0, 0, 0, 0, 0, 0, contentLength)
}

/** A file's record, correct for `content` except for the overrides. */
export function fileRecord(content: string | Uint8Array, record: FileRecord): Buffer {
  const { type = 1, mode = 0o644, size = Buffer.byteLength(content), hash = hashOf(content), extents = [] } = record
  return Buffer.concat([
    uints(1, type, 2_000_000, mode, size),
    Buffer.from(hash, 'hex'),
    uints(extents.length),
    ...extents.map((extent) => uints(...extent))
  ])
}

export function directoryRecord(mode = 0o755): Buffer {
  return uints(1, 2, 2_000_000, mode)
}

export function linkRecord(target: string | Uint8Array): Buffer {
  return Buffer.concat([uints(1, 3, 2_000_000, Buffer.byteLength(target)), Buffer.from(target)])
}

/** Numbers as FORMAT.md specifies them; a negative one as its 64 bits. */
export function uints(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map(uint))
}

function uint(value: number): Buffer {
  if (value >= 0 && value <= 0xfc) return Buffer.of(value)
  const bytes = Buffer.alloc(9)
  bytes[0] = 0xff
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 1)
  return bytes
}
