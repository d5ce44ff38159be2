import { type Assert, test } from 'brittle'
import { type ContentParams, content } from '../../src/query/content.ts'
import { directoryOf, fileOf, symlinkOf } from '../support/entries.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { commit, link, openReader } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'
import { until } from '../support/until.ts'

const { signal } = new AbortController()

async function open(t: Assert) {
  const { store, writer, source, file } = await openLogSource(t)
  await commit(writer, { a: await file('0123456789'), dir: directoryOf(), link: symlinkOf('a'), empty: fileOf('') })
  await commit(writer, { a: await file('second') })
  const read = async (params: ContentParams) => {
    const { bytes, length } = await content(source, params, signal)
    const text = Buffer.concat(await collectAll(bytes)).toString()
    t.is(length, text.length)
    return text
  }
  return { store, writer, source, read }
}

test('reads a file of any version', async (t) => {
  const { read } = await open(t)
  t.is(await read({ path: 'a' }), 'second')
  t.is(await read({ path: 'a', version: '-1' }), '0123456789')
  t.is(await read({ path: 'empty' }), '')
})

const ranges: ReadonlyArray<[start: number | undefined, end: number | undefined, text: string]> = [
  [undefined, undefined, '0123456789'],
  [3, undefined, '3456789'],
  [undefined, 3, '012'],
  [3, 5, '34'],
  [-3, undefined, '789'],
  [-30, undefined, '0123456789'],
  [5, 3, ''],
  [20, 30, ''],
  [8, 30, '89']
]

for (const [start, end, text] of ranges) {
  test(`bytes from ${start} to ${end} are ${JSON.stringify(text)}`, async (t) => {
    const { read } = await open(t)
    const range = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
    t.is(await read({ path: 'a', version: '-1', ...range }), text)
  })
}

test('only files have content', async (t) => {
  const { source } = await open(t)
  const code = (path: string) => codeOf(() => content(source, { path }, signal))
  t.is(await code(''), 'USAGE')
  t.is(await code('dir'), 'USAGE')
  t.is(await code('link'), 'USAGE')
  t.is(await code('nothing'), 'NO_SUCH_PATH')
})

test('an entry that is nonsense is damage', async (t) => {
  const { writer, source } = await open(t)
  // Its pack has fewer bytes than the entry names.
  const extents = [{ core: 0, block: 0, blocks: 1, offset: 5, length: 10, packed: true }]
  await commit(writer, { bad: fileOf('ten bytes!', { extents }) })
  const { bytes } = await content(source, { path: 'bad' }, signal)
  t.is(await codeOf(() => collectAll(bytes)), 'DAMAGED')
})

test('a content that nobody has is told, with when it went', async (t) => {
  const { store, writer, source } = await open(t)
  const { store: other } = await openReader(t, writer.key)
  await link(t, store, other)
  const { content: core } = writer.cores()
  await until(() => (core?.peers.length ?? 0) > 0, { what: 'a peer' })
  const extents = [{ core: 0, block: 99, blocks: 1, offset: 0, length: 4, packed: false }]
  await commit(writer, { away: fileOf('text', { extents }) })
  const { bytes } = await content(source, { path: 'away' }, signal)
  const failure = (await failureOf(() => collectAll(bytes))) as Error & { code: string }
  t.is(failure.code, 'NOT_HELD')
  t.ok(failure.message.endsWith('Its source has it: is it running?'), failure.message)
  await commit(writer, { away: undefined }, { timeMs: Date.UTC(2026, 0, 2, 3, 4) })
  const old = await content(source, { path: 'away', version: '-1' }, signal)
  const gone = (await failureOf(() => collectAll(old.bytes))) as Error
  t.ok(gone.message.includes(`until version ${writer.version?.length} (2026-01-02 03:04 UTC)`), gone.message)
})
