import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { LogStore, parseKey } from '../../src/log/hypercore/store.ts'
import { LogReader } from '../../src/log/reader.ts'
import { LogWriter } from '../../src/log/writer.ts'
import type { Version } from '../../src/tree/tree.ts'
import { directoryOf, fileOf } from '../support/entries.ts'
import { arrival, collect, commit, link, openReader } from '../support/log.ts'
import { until } from '../support/until.ts'

function contentAt(block: number, content: string) {
  return fileOf(content, { extents: [{ core: 0, block, blocks: 1, offset: 0, length: content.length, packed: false }] })
}

/** A writer that has lost the end of its log, and a reader that knows it. */
async function afterLostTail(t: Assert) {
  const directory = join(await t.tmp(), 'store')
  const db = join(directory, 'db')
  const store = await LogStore.open(directory)
  const writer = await LogWriter.open(store)
  const { key } = writer
  await writer.appendBlocks([Buffer.from('first')])
  await commit(writer, { kept: contentAt(0, 'first') })
  await store.flush()
  await store.close()
  // The database alone is set aside: the file beside it, which tells a copied store, stays where it is.
  cpSync(db, `${db}-before`, { recursive: true })

  const longer = await LogStore.open(directory)
  const tail = await LogWriter.open(longer)
  const { store: own, reader } = await openReader(t, key)
  const unlink = await link(t, longer, own)
  for (const name of ['lost-1', 'lost-2', 'lost-3']) {
    await tail.appendBlocks([Buffer.from(name)])
    await commit(tail, { [name]: contentAt(tail.content.length - 1, name) })
  }
  const known = tail.version as Version
  await arrival(reader, known)
  await collect(reader.entriesAt(known, () => {}))
  await until(() => reader.isNewest(known), { what: 'the reader to have the whole tail' })
  unlink()
  await longer.close()
  rmSync(db, { recursive: true })
  renameSync(`${db}-before`, db)

  const restored = await LogStore.open(directory)
  t.teardown(() => restored.close(), { order: 1 })
  return { store: restored, writer: await LogWriter.open(restored), own, reader, known }
}

/** Counts conflicts of the entries core, by which a reader closes it for ever. */
async function conflictsOf(own: LogStore, key: string): Promise<() => number> {
  const core = await own.keyed(parseKey(key))
  let count = 0
  core.on('conflict', () => count++)
  return () => count
}

test('a writer that lost the end of its log goes on in a new fork, which readers follow', async (t) => {
  const { store, writer, own, reader, known } = await afterLostTail(t)
  t.ok((writer.version?.length ?? 0) < known.length, 'the end is lost')
  const conflicts = await conflictsOf(own, writer.key)

  const cuts: number[] = []
  reader.onContentCut = (block) => cuts.push(block)
  await writer.startFork(0)
  await writer.appendBlocks([Buffer.from('other')])
  const version = await commit(writer, { new: contentAt(1, 'other'), directory: directoryOf() })
  t.ok(version.length < known.length, 'the new log is shorter than what readers know')
  await link(t, store, own)

  await arrival(reader, version)
  const entries = await collect(reader.entriesAt(version, () => t.fail('a problem')))
  t.alike(entries, [
    ['directory', directoryOf()],
    ['kept', contentAt(0, 'first')],
    ['new', contentAt(1, 'other')]
  ])
  const content = await reader.content(() => 0)
  const pieces: Uint8Array[] = []
  for await (const bytes of content.read(contentAt(1, 'other'), new AbortController().signal)) pieces.push(bytes)
  t.is(Buffer.concat(pieces).toString(), 'other', 'the content has followed too')
  // Block 1 is another; of what isn't here it may not be known whether block 0 is.
  t.ok(cuts.length === 1 && (cuts[0] ?? 2) <= 1, 'and it was told from which block on it is another')
  const next = await commit(writer, { later: directoryOf() })
  await arrival(reader, next)
  await until(() => reader.isNewest(next), { what: 'word that there is no more' })
  t.is(conflicts(), 0)
  await content.close()
  await reader.close()
})

test('without a new fork the same writer would lose its readers', async (t) => {
  const { store, writer, own, reader } = await afterLostTail(t)
  const conflicts = await conflictsOf(own, writer.key)
  await commit(writer, { new: directoryOf() })
  await link(t, store, own)
  await until(() => conflicts() > 0, { what: 'the conflict that the new fork avoids' })
  t.pass()
  await reader.close()
})

test('a reader that comes fresh to a new fork reads it as any other log', async (t) => {
  const { store, writer } = await afterLostTail(t)
  await writer.startFork(0)
  const version = await commit(writer, { new: directoryOf() })
  const { store: other, reader } = await openReader(t, writer.key)
  await link(t, store, other)
  await arrival(reader, version)
  t.is(version.fork, 1)
  const again = await LogReader.open(other, writer.key)
  t.alike(
    (await collect(again.entriesAt(version, () => {}))).map(([path]) => path),
    ['kept', 'new']
  )
  await again.close()
  await reader.close()
})
