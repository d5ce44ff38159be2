import { test } from 'brittle'
import { list } from '../../src/query/list.ts'
import { directoryOf, fileOf, symlinkOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { commit } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'

const { signal } = new AbortController()

async function open(t: Parameters<typeof openLogSource>[0]) {
  const { writer, source } = await openLogSource(t)
  await commit(
    writer,
    { a: fileOf(''), dir: directoryOf(), 'dir/b': fileOf(''), 'dir/link': symlinkOf('b') },
    { files: 2 }
  )
  await commit(writer, { a: undefined })
  const listed = async (params: Parameters<typeof list>[1]) =>
    (await collectAll(list(source, params, signal))).flatMap((record) => (record.type === 'entry' ? [record.path] : []))
  return { source, listed }
}

test('lists the folder, a directory, all of it, or one path', async (t) => {
  const { listed } = await open(t)
  t.alike(await listed({}), ['dir'])
  t.alike(await listed({ version: '-1' }), ['a', 'dir'])
  t.alike(await listed({ version: '-1', recursive: true }), ['a', 'dir', 'dir/b', 'dir/link'])
  t.alike(await listed({ path: 'dir' }), ['dir/b', 'dir/link'])
  t.alike(await listed({ path: './dir/b' }), ['dir/b'])
})

test('the version comes first, as its head has it', async (t) => {
  const { source } = await open(t)
  const [version] = await collectAll(list(source, { version: '-1' }, signal))
  t.is(version?.type, 'version')
  t.is(version?.type === 'version' && version.files, 2)
})

test('a path that the version does not have is refused', async (t) => {
  const { source } = await open(t)
  t.is(await codeOf(() => collectAll(list(source, { path: 'a' }, signal))), 'NO_SUCH_PATH')
  t.is(await codeOf(() => collectAll(list(source, { path: '../a' }, signal))), 'USAGE')
})

test('an aborted list ends with the reason', async (t) => {
  const { source } = await open(t)
  const stop = new AbortController()
  const rows = list(source, { recursive: true }, stop.signal)
  await rows.next()
  stop.abort(new Error('enough'))
  await t.exception(() => collectAll(rows), /enough/)
})
