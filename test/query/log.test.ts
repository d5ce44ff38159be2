import { type Assert, test } from 'brittle'
import { type LogParams, log } from '../../src/query/log.ts'
import { directoryOf } from '../support/entries.ts'
import { commit } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'

const { signal } = new AbortController()

async function open(t: Assert) {
  const { writer, source, file } = await openLogSource(t)
  const moved = await file('moved')
  await commit(writer, { dir: directoryOf(), 'dir/a': await file('a'), old: moved })
  await commit(writer, {})
  await commit(writer, { 'dir/a': await file('changed') })
  await commit(writer, { old: undefined, 'dir/new': moved })
  await commit(writer, { 'dir/a': undefined })
  const told = async (params: LogParams) =>
    (await collectAll(log(source, params, signal))).map((record) =>
      'path' in record ? `${record.type} ${record.path}` : record.type
    )
  return { source, told }
}

test('tells versions from the newest on, each with its changes', async (t) => {
  const { told } = await open(t)
  t.alike(await told({}), [
    ...['version', 'removed dir/a'],
    ...['version', 'moved dir/new'],
    ...['version', 'changed dir/a'],
    ...['version', 'added dir', 'added dir/a', 'added old']
  ])
})

test('tells a path alone, and the other end of its moves', async (t) => {
  const { told } = await open(t)
  t.alike(await told({ path: 'old' }), ['version', 'moved dir/new', 'version', 'added old'])
  t.alike(await told({ path: 'dir/a' }), [
    'version',
    'removed dir/a',
    'version',
    'changed dir/a',
    'version',
    'added dir/a'
  ])
  t.alike(await told({ path: 'nothing' }), [])
})

test('tells some versions alone', async (t) => {
  const { told } = await open(t)
  t.alike(await told({ limit: 1 }), ['version', 'removed dir/a'])
  t.alike(await told({ limit: 0 }), [])
  t.alike(await told({ since: '-1' }), ['version', 'removed dir/a'])
  t.alike(await told({ version: '-1', limit: 1 }), ['version', 'moved dir/new'])
})

test('counts the changes of a version, and the bytes that are new', async (t) => {
  const { source } = await open(t)
  const versions = (await collectAll(log(source, {}, signal))).filter((record) => record.type === 'version')
  const counts = versions.map(({ added, changed, removed, moved, changedBytes }) => [
    added,
    changed,
    removed,
    moved,
    changedBytes
  ])
  t.alike(counts, [
    [0, 0, 1, 0, 0],
    [0, 0, 0, 1, 0],
    [0, 1, 0, 0, 7],
    [3, 0, 0, 0, 6]
  ])
})
