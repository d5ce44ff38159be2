import { chmodSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { restore } from '../../src/change/restore.ts'
import { revert } from '../../src/change/revert.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { publishAndApply } from '../support/written.ts'

const { signal } = new AbortController()

/** A folder at a second version, with changes of each kind. */
async function open(t: Assert) {
  const mirror = await MirroredFolder.open(t)
  const first = await publishAndApply(mirror, {
    d: directoryOf(),
    'd/f': 'one',
    'd/gone': 'gone',
    g: 'same',
    h: 'deleted'
  })
  await publishAndApply(mirror, { 'd/f': 'two', 'd/gone': undefined })
  await restore(mirror.workspace, first, { path: pathOf('d/gone'), dryRun: false }, signal)
  writeFileSync(mirror.at('g'), 'changed')
  rmSync(mirror.at('h'))
  writeFileSync(mirror.at('own'), 'never shared')
  const run = async (path = '', dryRun = false) => {
    const records = await revert(mirror.workspace, { path: path === '' ? '' : pathOf(path), dryRun }, signal)
    const diverged = records.flatMap((record) => (record.type === 'diverged' ? [`${record.path} ${record.kind}`] : []))
    return { diverged, end: records.at(-1) }
  }
  return { mirror, run }
}

const all = ['d/gone added', 'g changed', 'h deleted']

test('changes go, deleted files come back, and restored ones are removed; the user’s own stay', async (t) => {
  const { mirror, run } = await open(t)
  const { diverged, end } = await run()
  t.alike(diverged, all)
  t.alike(end, { type: 'reverted', dryRun: false, changes: 3, problems: 0 })
  t.alike(mirror.tree(), { d: '/', 'd/f': 'two', g: 'same', h: 'deleted', own: 'never shared' })
  t.alike((await run()).diverged, [], 'nothing differs any more')
})

test('a dry run only lists them', async (t) => {
  const { mirror, run } = await open(t)
  const before = mirror.tree()
  t.alike((await run('', true)).diverged, all)
  t.alike(mirror.tree(), before)
})

test('one path is reverted alone; the directory that holds it may be, too', async (t) => {
  const { mirror, run } = await open(t)
  t.alike((await run('g')).diverged, ['g changed'])
  t.absent(mirror.has('h'))
  utimesSync(mirror.at('d'), 1000, 1000)
  t.alike((await run('d')).diverged, ['d/gone added'], 'the time of the directory has changed, which is no change')
  chmodSync(mirror.at('d'), 0o700)
  t.alike((await run('d')).diverged, ['d changed'])
  t.is(await codeOf(() => run('own')), 'NO_SUCH_PATH')
})
