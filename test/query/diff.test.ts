import { rmSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { type DiffParams, diff } from '../../src/query/diff.ts'
import { directoryOf, symlinkOf } from '../support/entries.ts'
import { commit } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()

async function open(t: Assert) {
  const { writer, source, file } = await openLogSource(t)
  const moved = await file('moved text')
  const first = await commit(writer, { a: await file('one\ntwo\n'), old: moved, gone: directoryOf() })
  const second = await commit(writer, { a: await file('one\nthree\n'), old: undefined, new: moved })
  const third = await commit(writer, { gone: undefined, link: symlinkOf('a') })
  const changed = async (params: DiffParams) =>
    (await collectAll(diff(source, params, signal))).map((record) => {
      return 'path' in record
        ? `${record.type} ${record.path}${record.type === 'moved' ? ` from ${record.from}` : ''}`
        : ''
    })
  return { writer, source, file, changed, first, second, third }
}

test('without a folder, the latest version is compared with the one before', async (t) => {
  const { changed } = await open(t)
  t.alike(await changed({}), ['removed gone', 'added link'])
})

test('two versions are compared in either direction, and moves are told', async (t) => {
  const { changed, first, second } = await open(t)
  const [from, to] = [String(first.length), String(second.length)]
  t.alike(await changed({ from, to }), ['changed a', 'moved new from old'])
  t.alike(await changed({ from: to, to: from }), ['changed a', 'moved old from new'])
  t.alike(await changed({ from, to: from }), [])
  t.alike(await changed({ from, path: 'a' }), ['changed a'])
})

test('a patch shows what changed within a text', async (t) => {
  const { source, first, second } = await open(t)
  const params = { from: String(first.length), to: String(second.length), path: 'a', patch: true }
  const [, patch] = await collectAll(diff(source, params, signal))
  if (patch?.type !== 'patch') throw new Error('no patch')
  t.ok(patch.text.includes('-two\n+three\n'), patch.text)
  t.ok(patch.text.includes(`--- a/a\tversion ${first.length}\n+++ b/a\tversion ${second.length}`), patch.text)
})

const unshown: ReadonlyArray<[reason: 'binary' | 'large', content: string]> = [
  ['binary', 'a\0b'],
  ['large', 'x'.repeat(1024 * 1024 + 1)]
]

for (const [reason, content] of unshown) {
  test(`no patch is shown of a ${reason} file`, async (t) => {
    const { writer, source, file } = await open(t)
    await commit(writer, { a: await file(content) })
    const [, patch] = await collectAll(diff(source, { path: 'a', patch: true }, signal))
    t.alike(patch, { type: 'patch', path: 'a', text: '', reason })
  })
}

test('a move has no patch', async (t) => {
  const { source, first, second } = await open(t)
  const params = { from: String(first.length), to: String(second.length), path: 'new', patch: true }
  t.alike(
    (await collectAll(diff(source, params, signal))).map(({ type }) => type),
    ['added', 'patch']
  )
  const both = await collectAll(diff(source, { ...params, path: '' }, signal))
  t.alike(
    both.map(({ type }) => type),
    ['changed', 'patch', 'moved']
  )
})

test('a folder is compared with the latest version, by what is on disk now', async (t) => {
  const share = await Share.open(t, { a: 'one\n', gone: 'gone', same: 'same' })
  await share.publish(t)
  share.write('a', 'two\n')
  share.write('b', 'new')
  rmSync(share.at('gone'))
  const records = await collectAll(diff(share.source, { patch: true }, signal))
  const texts = records.map((record) => ('path' in record ? `${record.type} ${record.path}` : ''))
  t.alike(texts, ['changed a', 'patch a', 'added b', 'patch b', 'removed gone', 'patch gone'])
  const [, patch] = records
  t.ok(patch?.type === 'patch' && patch.text.includes('-one\n+two\n') && patch.text.includes('on disk'))
})
