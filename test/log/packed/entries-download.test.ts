import { type Assert, test } from 'brittle'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { parseKey } from '../../../src/log/hypercore/store.ts'
import { EntriesDownload } from '../../../src/log/packed/entries-download.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import { directoryOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { collect, commit, link, openStore, openWriter } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()
const mustBeFine = () => {
  throw new Error('a problem')
}
const entriesOf = (count: number): Record<string, Entry> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${String(i).padStart(4, '0')}`, directoryOf()]))

async function openPair(t: Assert) {
  const { store, writer } = await openWriter(t)
  const own = await openStore(t)
  const entries = await own.keyed(parseKey(writer.key))
  const bee = beeOf(entries)
  await bee.ready()
  const content = await own.keyed((await store.named('content')).key)
  const download = new EntriesDownload(entries, bee, async () => content)
  t.teardown(() => download.close(), { order: -1 })
  return { store, writer, own, entries, download }
}

test('few new blocks are fetched as soon as they are announced, many only when asked for', async (t) => {
  const { store, writer, own, entries, download } = await openPair(t)
  const requested: { readonly start: number; readonly end: number }[] = []
  const request = entries.download.bind(entries)
  entries.download = (range) => {
    if ('end' in range) requested.push(range)
    return request(range)
  }
  await link(t, store, own)
  const few = await commit(writer, entriesOf(10))
  await until(() => entries.has(0, few.length), { what: 'the first version' })
  const many = await commit(writer, entriesOf(2000))
  await until(() => entries.length === many.length, { what: 'news of the second' })
  await until(() => entries.has(many.length - 1), { what: 'its last block' })
  await download.range(few.length, many.length, signal)
  t.ok(await entries.has(few.length, many.length))
  t.alike(
    requested.filter(({ end }) => end > few.length),
    [{ start: few.length, end: many.length }],
    'the second version is requested by the call above alone'
  )
})

test('the rest comes while nothing else is to be fetched', async (t) => {
  const { store, writer, own, entries, download } = await openPair(t)
  const version = await commit(writer, entriesOf(1000))
  await link(t, store, own)
  await until(() => entries.length === version.length, { what: 'the news' })
  let asked = 0
  let isIdle = false
  download.fill(version, () => {
    asked++
    return isIdle
  })
  await until(() => asked > 2, { what: 'the question whether it may begin' })
  t.is(await entries.has(0, version.length), false)
  isIdle = true
  await until(() => entries.has(0, version.length), { what: 'all of the log' })
  t.pass()
})

test('a version is read by the tree where there is neither snapshot nor delta', async (t) => {
  const { store, writer, own, entries, download } = await openPair(t)
  const first = await commit(writer, entriesOf(3))
  const second = await commit(writer, { d0001: undefined })
  await link(t, store, own)
  await until(() => entries.length === second.length, { what: 'the news' })
  await download.whole(second, signal)
  t.ok(await entries.has(0, second.length))
  t.is(download.entries(second, mustBeFine), undefined)
  await download.since(first, second, signal)
  t.alike(await collect(download.changes(first, second, mustBeFine)), [['d0001', undefined]])
  t.alike(await collect(download.history(first, second, signal)), [['d0001', undefined]])
})

test('waiting for blocks that nobody has ends with its signal', async (t) => {
  const { download } = await openPair(t)
  const stop = new AbortController()
  const waiting = failureOf(() => download.range(0, 5, stop.signal))
  stop.abort('enough')
  t.is(await waiting, 'enough')
})
