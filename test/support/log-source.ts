import type { Assert } from 'brittle'
import { encodePack } from '../../src/format/pack-codec.ts'
import type { LogStore } from '../../src/log/hypercore/store.ts'
import type { LogWriter } from '../../src/log/writer.ts'
import type { LogSource } from '../../src/query/log-source.ts'
import type { FileEntry } from '../../src/tree/entry.ts'
import { fileOf } from './entries.ts'
import { openWriter } from './log.ts'

export interface WrittenLog {
  readonly store: LogStore
  readonly writer: LogWriter
  readonly source: LogSource
  /** Stores a content in the log. @returns an entry that refers to it */
  readonly file: (text: string) => Promise<FileEntry>
}

/** A log without a folder, as read by the operations of `query`. */
export async function openLogSource(t: Assert): Promise<WrittenLog> {
  const { store, writer } = await openWriter(t)
  const source: LogSource = {
    key: writer.key,
    view: writer.view({ received: () => 0, patienceMs: 100 }),
    settled: async () => {},
    onChange: (listener) => writer.onChange(listener),
    carried: (version) => version
  }
  const file = async (text: string) => {
    const bytes = Buffer.from(text)
    const block = writer.content.length
    await writer.appendBlocks([await encodePack([bytes])])
    return fileOf(bytes, { extents: [{ core: 0, block, blocks: 1, offset: 0, length: bytes.length, packed: true }] })
  }
  return { store, writer, source, file }
}

/** All records of an operation. */
export async function collectAll<T>(records: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const record of records) found.push(record)
  return found
}
