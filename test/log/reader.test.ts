import { test } from 'brittle'
import { encodeEntry } from '../../src/format/entry-codec.ts'
import { beeOf } from '../../src/log/bee/entries.ts'
import { printKey } from '../../src/log/hypercore/store.ts'
import { LogReader } from '../../src/log/reader.ts'
import { directoryOf, fileOf, symlinkOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { arrival, collect, commit, headOf, link, openReader, openStore, openWriter } from '../support/log.ts'
import { Problems } from '../support/problems.ts'
import { until } from '../support/until.ts'

test('a reader gets every version, its head and its entries', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  t.is(reader.version, undefined)
  await link(t, store, own)

  const first = await commit(writer, { a: directoryOf(), 'a/file': fileOf('') }, { files: 1, directories: 1, puts: 2 })
  await arrival(reader, first)
  const second = await commit(writer, { 'a/link': symlinkOf('x'), 'a/file': undefined }, { partial: true })
  await arrival(reader, second)

  const problems = new Problems()
  t.alike(await reader.head(first), headOf({ files: 1, directories: 1, puts: 2 }))
  t.alike(await reader.head(second), headOf({ partial: true, before: first.length }))
  t.alike(await collect(reader.entriesAt(first, problems.add)), [
    ['a', directoryOf()],
    ['a/file', fileOf('')]
  ])
  t.alike(await collect(reader.entriesAt(second, problems.add)), [
    ['a', directoryOf()],
    ['a/link', symlinkOf('x')]
  ])
  t.alike(problems.list, [])
  await reader.close()
})

test('changes between versions are puts and removals, over several versions too', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  await link(t, store, own)
  const v1 = await commit(writer, { a: directoryOf(), b: symlinkOf('1'), c: symlinkOf('1') })
  const v2 = await commit(writer, { b: symlinkOf('2'), passing: fileOf('') })
  const v3 = await commit(writer, { c: undefined, passing: undefined, d: fileOf('') })
  await arrival(reader, v3)
  const changes = (from: typeof v1, to: typeof v1) => collect(reader.changes(from, to, () => t.fail('a problem')))

  t.alike(await changes(v1, v2), [
    ['b', symlinkOf('2')],
    ['passing', fileOf('')]
  ])
  t.alike(await changes(v1, v3), [
    ['b', symlinkOf('2')],
    ['c', undefined],
    ['d', fileOf('')],
    ['passing', undefined]
  ])
  t.alike(await changes(v3, v3), [])
  await reader.close()
})

test('the header alone is no version', async (t) => {
  const { store: whole, writer } = await openWriter(t)
  await commit(writer, { a: directoryOf() })
  const header = await (await whole.named('entries')).get(0)
  // As if a writer had been cut off between the header and its first batch.
  const store = await openStore(t)
  const core = await store.named('entries')
  await core.append(header ?? [])
  t.is(core.length, 1)

  const { store: own, reader } = await openReader(t, printKey(core.key))
  await link(t, store, own)
  const copy = await own.keyed(core.key)
  await until(() => copy.length === 1, { what: 'the header' })
  t.is(reader.version, undefined)
  await reader.close()
})

test('the newest version is known as such only while somebody says so', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  const version = await commit(writer, { a: directoryOf() })
  t.absent(reader.isNewest(undefined), 'nobody is there')
  t.absent(reader.hasPeers)

  const unlink = await link(t, store, own)
  await arrival(reader, version)
  await until(() => reader.isNewest(version), { what: 'word from the writer' })
  t.ok(reader.hasPeers)
  t.absent(reader.isNewest(undefined))
  t.absent(reader.isNewest({ ...version, length: version.length - 1 }))

  unlink()
  await until(() => !reader.hasPeers, { what: 'the end of the connection' })
  t.absent(reader.isNewest(version))
  await reader.close()
})

test('a reader is told of versions and peers, until it no longer wants to be', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  let calls = 0
  const end = reader.onChange(() => calls++)
  await link(t, store, own)
  await until(() => calls > 0, { what: 'word of a peer' })
  const received = await reader.received()
  calls = 0
  const version = await commit(writer, { a: directoryOf() })
  await until(() => calls > 0, { what: 'word of a version' })
  await arrival(reader, version)
  t.ok((await reader.received()) > received)
  end()
  calls = 0
  await arrival(reader, await commit(writer, { b: directoryOf() }))
  t.is(calls, 0)
  await reader.close()
})

test('a second reader gets all from the first when the writer is gone', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: firstStore, reader: first } = await openReader(t, writer.key)
  const unlink = await link(t, store, firstStore)
  await writer.appendBlocks([Buffer.from('content')])
  const file = fileOf('content', { extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: 7, packed: false }] })
  const version = await commit(writer, { a: directoryOf(), 'a/file': file })
  await arrival(first, version)
  await collect(first.entriesAt(version, () => {}))
  const content = await first.content(() => 0)
  for await (const _ of content.read(file, new AbortController().signal));
  await content.close()
  unlink()
  await writer.close()
  await store.close()

  const { store: secondStore, reader: second } = await openReader(t, writer.key)
  await link(t, firstStore, secondStore)
  await arrival(second, version)
  t.alike(await collect(second.entriesAt(version, () => {})), [
    ['a', directoryOf()],
    ['a/file', file]
  ])
  const again = await second.content(() => 0)
  const pieces: Uint8Array[] = []
  for await (const bytes of again.read(file, new AbortController().signal)) pieces.push(bytes)
  t.is(Buffer.concat(pieces).toString(), 'content')
  await again.close()
  await first.close()
  await second.close()
})

test('a reader that is opened again knows what it knew, alone', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  await link(t, store, own)
  const version = await commit(writer, { a: directoryOf() })
  await arrival(reader, version)
  const [entry] = await collect(reader.entriesAt(version, () => {}))
  t.is(entry?.[0], 'a')
  await reader.close()
  await store.close()

  const again = await LogReader.open(own, writer.key)
  t.alike(again.version, version)
  t.alike(await collect(again.entriesAt(version, () => {})), [['a', directoryOf()]])
  await again.close()
})

test('a key that is none opens no reader', async (t) => {
  t.is(await codeOf(() => openReader(t, 'nonsense')), 'BAD_KEY')
})

for (const [what, contentKey] of [
  ['names no content core', undefined],
  ['names a content core by a key that is none', Buffer.from('short')]
] as const) {
  test(`a log that ${what} has entries, and no content`, async (t) => {
    const store = await openStore(t)
    const core = await store.named('entries')
    const batch = beeOf(core, contentKey).batch()
    await batch.put(Buffer.from('a'), encodeEntry(directoryOf()))
    await batch.flush()
    const { store: own, reader } = await openReader(t, printKey(core.key))
    await link(t, store, own)
    const version = { fork: 0, length: core.length }
    await arrival(reader, version)
    t.alike(await collect(reader.entriesAt(version, () => {})), [['a', directoryOf()]])
    t.is(await codeOf(() => reader.content(() => 0)), 'DAMAGED')
    t.is(await codeOf(() => reader.head(version)), 'DAMAGED', 'nor a head')
    await reader.close()
  })
}
