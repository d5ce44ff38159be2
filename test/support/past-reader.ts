import { join } from 'node:path'
import type { Assert } from 'brittle'
import { LogStore, parseKey } from '../../src/log/hypercore/store.ts'
import { LogReader } from '../../src/log/reader.ts'
import type { FileEntry } from '../../src/tree/entry.ts'
import type { Version } from '../../src/tree/tree.ts'
import { joinAsPeer } from './network.ts'
import { until } from './until.ts'

/** A peer with a store of its own and no folder: reads files of any version through the log, from any connected peer. */
export class PastReader {
  readonly #reader: LogReader
  readonly #received: () => number

  private constructor(reader: LogReader, received: () => number) {
    this.#reader = reader
    this.#received = received
  }

  static async open(
    t: Assert,
    bootstrap: readonly { readonly host: string; readonly port: number }[],
    key: string
  ): Promise<PastReader> {
    const store = await LogStore.open(join(await t.tmp(), 'store'))
    t.teardown(() => store.close(), { order: 1 })
    const reader = await LogReader.open(store, key)
    t.teardown(() => reader.close())
    const network = await joinAsPeer(t, {
      secret: parseKey(key),
      bootstrap,
      onCarrier: (stream) => void store.replicate(stream)
    })
    return new PastReader(reader, () => network.traffic.received)
  }

  /** The entry of a file at a version. */
  async entry(path: string, version: Version): Promise<FileEntry> {
    const isKnown = () => (this.#reader.version?.length ?? 0) >= version.length
    await until(isKnown, { what: `version ${version.length}` })
    await this.#reader.fetch(version, new AbortController().signal)
    for await (const [found, entry] of this.#reader.entriesAt(version, () => {})) {
      if (found === path && entry.type === 'file') return entry
    }
    throw new Error(`Version ${version.length} has no file ${path}`)
  }

  /** The content of a file. */
  async read(entry: FileEntry): Promise<Buffer> {
    const content = await this.#reader.content(this.#received)
    const parts: Buffer[] = []
    try {
      for await (const bytes of content.read(entry, new AbortController().signal)) parts.push(Buffer.from(bytes))
    } finally {
      await content.close()
    }
    return Buffer.concat(parts)
  }
}
