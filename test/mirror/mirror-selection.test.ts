import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { changeSelection, readSelection, type SelectionRecord } from '../../src/disk/state/selection-file.ts'
import { State } from '../../src/disk/state/state.ts'
import { MirrorSelection } from '../../src/mirror/mirror-selection.ts'
import { codeOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { until } from '../support/until.ts'

const go = new AbortController().signal
const docs: SelectionRecord = { only: ['docs/'], exclude: [] }
const file = 'selection.json'

async function openHome(t: Assert) {
  const home = await t.tmp()
  const state = await State.open(join(home, 'state'))
  t.teardown(() => state.close(), { order: 1 })
  const notices: string[] = []
  const open = async () => {
    const selection = await MirrorSelection.open({ home, state, onNotice: (notice) => notices.push(notice) })
    t.teardown(() => selection.close())
    return selection
  }
  const select = (record: SelectionRecord) => changeSelection(home, () => record)
  return { home, state, notices, open, select }
}

test('without a file the mirror holds all of the newest version', async (t) => {
  const { open, notices } = await openHome(t)
  const selection = await open()
  t.ok(selection.part.isAll)
  t.absent(selection.isPinned)
  t.alike(notices, [])
})

test('a change of the file is taken over, announced, and told to listeners', async (t) => {
  const { open, select, notices, home } = await openHome(t)
  const selection = await open()
  let calls = 0
  const end = selection.onChange(() => calls++)
  await select(docs)
  selection.check()
  t.alike(selection.part.selection, docs)
  t.is(calls, 1)
  t.is(notices.length, 1)
  selection.check()
  t.is(calls, 1, 'nothing has changed since')

  await select({ ...docs, version: { by: 'number', number: 7 } })
  selection.check()
  t.ok(selection.isPinned)
  t.is(calls, 2)
  // Which version was found is no other selection.
  await select({ ...docs, version: { by: 'number', number: 7 }, found: { length: 7, timeMs: 1 } })
  selection.check()
  t.is(calls, 2)
  end()
  await select(docs)
  await until(() => !selection.isPinned, { what: 'the change to be found without a check' })
  t.is(calls, 2, 'the listener has ended')
  t.alike(readSelection(home), docs)
})

test('a damaged file leaves the selection as it was, and is reported once', async (t) => {
  const { open, notices, home } = await openHome(t)
  t.is(
    await codeOf(async () => {
      writeFileSync(join(home, file), 'no JSON')
      await open()
    }),
    'FOLDER_FORMAT',
    'at first nobody knows what it said'
  )
  writeFileSync(join(home, file), JSON.stringify({ format: 1, ...docs }))
  const first = await open()
  writeFileSync(join(home, file), 'no JSON')
  notices.length = 0
  first.check()
  first.check()
  t.is(notices.length, 1)
  t.alike(first.part.selection, docs)
  first.close()
  t.alike((await open()).part.selection, docs, 'the state remembers it')
})

test('a lost file is written anew', async (t) => {
  const { open, select, home } = await openHome(t)
  await select(docs)
  ;(await open()).close()
  rmSync(join(home, file))
  t.alike((await open()).part.selection, docs)
  t.alike(readSelection(home), docs)
})

test('a pinned version is looked up in the log, and stored', async (t) => {
  const source = await MirroredFolder.open(t)
  const { open, select, home } = await openHome(t)
  const first = await source.publish({ a: 'one' }, { timeMs: 1000 })
  const second = await source.publish({ a: 'two' }, { timeMs: 2000 })
  await until(() => source.log.isNewest(second), { what: 'word that there is no more' })

  await select({ only: [], exclude: [], version: { by: 'back', count: 1 } })
  const selection = await open()
  t.alike(await selection.pinned(source.log, second, go), first)
  t.alike(readSelection(home)?.found, { length: first.length, timeMs: 1000 })
  selection.check()
  const third = await source.publish({ a: 'three' }, { timeMs: 3000 })
  t.alike(await selection.pinned(source.log, third, go), first, 'it stays, though the log has grown')
})

test('while peers may have more, a later version is waited for; then the log doesn’t have it', async (t) => {
  const source = await MirroredFolder.open(t)
  const { open, select } = await openHome(t)
  const latest = await source.publish({ a: 'one' })
  await until(() => source.log.isNewest(latest), { what: 'word that there is no more' })
  await select({ only: [], exclude: [], version: { by: 'number', number: latest.length + 100 } })
  const selection = await open()
  t.is(await codeOf(() => selection.pinned(source.log, latest, go)), 'NO_SUCH_VERSION')
  t.is(await selection.pinned(source.log, latest, go), undefined, 'nobody asks again before the log has grown')
  source.unlink()
  await until(() => !source.log.hasPeers, { what: 'the end of the connection' })
  const other = await open()
  t.is(await other.pinned(source.log, latest, go), undefined)
})

test('another history at the length of the stored version is noticed', async (t) => {
  const source = await MirroredFolder.open(t)
  const { open, select } = await openHome(t)
  const version = await source.publish({ a: 'one' }, { timeMs: 1000 })
  const found = { length: version.length, timeMs: 999 }
  await select({ only: [], exclude: [], version: { by: 'number', number: version.length }, found })
  t.is(await codeOf(async () => (await open()).pinned(source.log, version, go)), 'NO_SUCH_VERSION')
})
