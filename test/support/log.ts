import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import SecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import type { Head } from '../../src/format/head-codec.ts'
import { LogStore } from '../../src/log/hypercore/store.ts'
import { LogReader } from '../../src/log/reader.ts'
import { LogWriter } from '../../src/log/writer.ts'
import type { Entry } from '../../src/tree/entry.ts'
import type { Version } from '../../src/tree/tree.ts'
import { pathOf } from './entries.ts'
import { until } from './until.ts'

/** A store in a directory of its own that is closed when the test ends. */
export async function openStore(t: Assert, directory?: string): Promise<LogStore> {
  const store = await LogStore.open(directory ?? join(await t.tmp(), 'store'))
  t.teardown(() => store.close(), { order: 1 })
  return store
}

export async function openWriter(t: Assert): Promise<{ readonly store: LogStore; readonly writer: LogWriter }> {
  const store = await openStore(t)
  return { store, writer: await LogWriter.open(store) }
}

export async function openReader(
  t: Assert,
  key: string
): Promise<{ readonly store: LogStore; readonly reader: LogReader }> {
  const store = await openStore(t)
  return { store, reader: await LogReader.open(store, key) }
}

/** Connects two stores over loopback. @returns a function that ends the connection */
export async function link(t: Assert, a: LogStore, b: LogStore): Promise<() => void> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const near = connect((server.address() as { readonly port: number }).port, '127.0.0.1')
  const [far] = (await accepted) as [Socket]
  server.close()
  const ends = [near, far] as const
  for (const [i, store] of [a, b].entries()) {
    const stream = new SecretStream(i === 0, ends[i] ?? near)
    stream.on('error', () => {}) // It ends with the test, at any moment.
    store.replicate(stream)
  }
  const unlink = () => {
    for (const end of ends) end.destroy()
  }
  t.teardown(unlink, { order: 0 })
  return unlink
}

export function headOf(head: Partial<Head> = {}): Head {
  const zeros = { files: 0, directories: 0, symlinks: 0, bytes: 0, puts: 0, removals: 0, contentLength: 0, before: 0 }
  return { timeMs: 1_700_000_000_000, partial: false, unfinished: false, ...zeros, ...head }
}

/** Makes a version that puts each of `changes`, or removes it if `undefined`. */
export function commit(
  writer: LogWriter,
  changes: Readonly<Record<string, Entry | undefined>>,
  head: Partial<Head> = {}
): Promise<Version> {
  const byPath = new Map(Object.entries(changes).map(([path, entry]) => [pathOf(path), entry]))
  return writer.commit(byPath, headOf({ contentLength: writer.content.length, ...head }))
}

/** Waits until a reader knows of a version. */
export async function arrival(reader: LogReader, version: Version): Promise<void> {
  const hasArrived = () => reader.version?.fork === version.fork && reader.version.length === version.length
  await until(hasArrived, { what: `version ${version.fork}:${version.length}` })
}

/** All pairs of an iterable. */
export async function collect<K, V>(pairs: AsyncIterable<readonly [K, V]>): Promise<[K, V][]> {
  const all: [K, V][] = []
  for await (const [key, value] of pairs) all.push([key, value])
  return all
}

/** Flattens an iterable of arrays. */
export async function* flat<T>(some: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const each of some) yield* each
}
