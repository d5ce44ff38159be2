import { type Assert, test } from 'brittle'
import { parseKey } from '../../src/log/hypercore/store.ts'
import type { LogView } from '../../src/log/log-view.ts'
import { LogReader } from '../../src/log/reader.ts'
import type { Version } from '../../src/tree/tree.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { collect, commit, link, openStore, openWriter } from '../support/log.ts'
import { until } from '../support/until.ts'

const { signal } = new AbortController()

async function openLog(t: Assert) {
  const { store, writer } = await openWriter(t)
  const view = writer.view({ received: () => 0 })
  return { store, writer, view }
}

async function lengthsOf(view: LogView, to: Version, options: Partial<Parameters<LogView['versions']>[1]> = {}) {
  const lengths: number[] = []
  const all = { after: 0, path: '', newestFirst: false, signal, ...options } as const
  for await (const { version } of view.versions(to, all)) lengths.push(version.length)
  return lengths
}

test('versions are found by their order, and unfinished ones are none', async (t) => {
  const { writer, view } = await openLog(t)
  t.is(view.latest, undefined)
  t.is(await view.finished(), undefined)
  const first = await commit(writer, { a: directoryOf() })
  const second = await commit(writer, { b: directoryOf() })
  await commit(writer, { c: directoryOf() }, { unfinished: true })
  t.alike(await view.finished(), second)
  t.alike(view.latest, writer.version)
  t.alike(await view.previous(second), first)
  t.is(await view.previous(first), undefined)
  t.alike(await view.versionAtOrAfter(first.length + 1, second), second)
  t.is(await view.versionAtOrAfter(second.length + 1, second), undefined)
  t.alike(await lengthsOf(view, second), [first.length, second.length])
  t.alike(await lengthsOf(view, second, { newestFirst: true }), [second.length, first.length])
  t.alike(await lengthsOf(view, second, { after: first.length }), [second.length])
  t.alike(await lengthsOf(view, second, { path: pathOf('a') }), [first.length])
})

test('the entries before a version are those that it changed', async (t) => {
  const { writer, view } = await openLog(t)
  const first = await commit(writer, { a: directoryOf() })
  const changes = [
    [pathOf('a'), symlinkOf('b')],
    [pathOf('b'), directoryOf()]
  ] as const
  t.alike(await view.before(changes, first.length), [
    { path: 'a', before: directoryOf(), after: symlinkOf('b') },
    { path: 'b', before: undefined, after: directoryOf() }
  ])
  t.alike(await view.before(changes.slice(0, 1), 1), [{ path: 'a', before: undefined, after: symlinkOf('b') }])
})

test('contents are read in parts, and held or not', async (t) => {
  const { store, writer, view } = await openLog(t)
  await writer.appendBlocks([Buffer.from('abcdefgh')])
  const file = fileOf('abcdefgh', { extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: 8, packed: false }] })
  await commit(writer, { file })
  const read = async (start: number, end: number) => {
    const pieces: Buffer[] = []
    for await (const piece of view.read(file, { start, end }, signal)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces).toString()
  }
  t.is(await read(2, 5), 'cde')
  t.is(await read(0, 8), 'abcdefgh')
  t.ok(await view.holds(file))
  await (await store.named('content')).clear(0)
  t.is(await view.holds(file), false)
  const records: string[] = []
  for await (const { key } of view.records(0, 3, signal)) records.push(key)
  t.alike(records, ['file', '\0head'])
})

test('a view waits for missing blocks, and gives up without peers', async (t) => {
  const { store, writer } = await openLog(t)
  const version = await commit(writer, { a: directoryOf(), b: directoryOf() })
  const own = await openStore(t)
  const reader = await LogReader.open(own, writer.key, { sparse: true })
  const unlink = await link(t, store, own)
  await until(() => reader.version?.length === version.length, { what: 'the news' })
  const view = reader.view({ received: () => 0 }, { alonePatienceMs: 100 })
  t.alike(await view.entry(version, pathOf('a')), directoryOf())
  unlink()
  await until(() => !reader.hasPeers, { what: 'the end of the connection' })
  const entries = await own.keyed(parseKey(writer.key))
  await entries.clear(0, version.length)
  // The timer of the wait keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const options = { recursive: true, onProblem: () => {} }
  t.is(await codeOf(() => collect(view.list(version, '', options))), 'NOT_HELD')
  const stop = new AbortController()
  const waiting = failureOf(() => collect(view.patient().list(version, '', { ...options, signal: stop.signal })))
  stop.abort('enough')
  t.is(await waiting, 'enough')
  await reader.close()
})
