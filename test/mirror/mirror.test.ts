import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { FolderQueue } from '../../src/folder/folder-queue.ts'
import type { SyncEvent } from '../../src/folder/monitor.ts'
import { selectIn } from '../../src/mirror/change-selection.ts'
import type { FollowedLog } from '../../src/mirror/followed-log.ts'
import { Mirror } from '../../src/mirror/mirror.ts'
import type { MirrorOptions } from '../../src/mirror/mirror-options.ts'
import { MirrorSelection } from '../../src/mirror/mirror-selection.ts'
import { codeOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { until } from '../support/until.ts'

const hangMs = 120_000

async function openMirror(t: Assert, source: MirroredFolder, options: Partial<MirrorOptions> = {}) {
  const { folder, state, blocks, workers, workspace } = source
  // A reader of a log is one that a mirror can follow.
  const log: FollowedLog = source.log
  const selection = await MirrorSelection.open({ home: folder.home, state, onNotice: () => {} })
  t.teardown(() => selection.close())
  const mirror = new Mirror(folder, log, state, workspace.monitor, {
    received: () => 0,
    onFailure: () => false,
    safeLinks: false,
    blocks,
    inPlaceAbove: 100_000,
    keepReplaced: {},
    workers,
    selection,
    ...options
  })
  t.teardown(() => mirror.close(), { order: -1 })
  const seen = (wanted: (event: SyncEvent) => boolean, what: string) =>
    until(() => source.events.some(wanted), { what, ms: hangMs })
  const inSyncAt = ({ length }: { readonly length: number }) =>
    seen((event) => event.type === 'in-sync' && event.version === length, `version ${length} to be in sync`)
  return { mirror, selection, seen, inSyncAt }
}

test('a mirror follows its log, version by version', async (t) => {
  const source = await MirroredFolder.open(t)
  const first = await source.publish({ a: 'one' })
  const { mirror, inSyncAt } = await openMirror(t, source)
  t.is(mirror.stand.applied, undefined)
  t.is(mirror.stand.totals.files, 0)
  mirror.start()
  await inSyncAt(first)
  t.alike(source.tree(), { a: 'one' })
  const second = await source.publish({ a: 'two', b: 'b' })
  await inSyncAt(second)
  t.alike(source.tree(), { a: 'two', b: 'b' })
  t.alike(mirror.stand.applied, second)
  t.is(mirror.stand.totals.files, 2)
  t.alike(
    source.of('applied').map(({ version }) => version),
    [first.length, second.length]
  )
  t.alike(source.of('error'), [])
})

test('other work on the folder has the mirror’s state, before it starts and between its passes', async (t) => {
  const queue = new FolderQueue()
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ a: 'one' })
  const { mirror, inSyncAt } = await openMirror(t, source, { queue })
  t.is(mirror.queue, queue, 'a lent queue')
  const before = await queue.run(() => mirror.workspace())
  t.is(before.version, undefined)
  mirror.start()
  await inSyncAt(version)
  const after = await queue.run(() => mirror.workspace())
  t.alike(after.version, version)
  t.alike([...after.baseline.records.keys()], ['a'])

  writeFileSync(source.at('a'), 'changed by other work')
  source.events.length = 0
  after.touched()
  await until(() => source.of('diverged').length > 0, { what: 'the pass over the whole folder', ms: hangMs })
})

test('a mirror takes parts that another loop of the folder has made', async (t) => {
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ a: 'one' })
  const { staging, replacedFiles, baseline } = source.workspace
  const { mirror, inSyncAt } = await openMirror(t, source, {
    staging,
    replacedFiles,
    loadBaseline: async () => baseline
  })
  t.is(mirror.replacedFiles, replacedFiles)
  mirror.start()
  await inSyncAt(version)
  t.is(baseline.totals.files, 1, 'the lent baseline has the record')
})

test('another selection is applied while the mirror works', async (t) => {
  const source = await MirroredFolder.open(t)
  const first = await source.publish({ a: 'one' }, { timeMs: 1000 })
  const second = await source.publish({ a: 'two', b: 'b' }, { timeMs: 2000 })
  const { mirror, selection, inSyncAt, seen } = await openMirror(t, source)
  mirror.start()
  await inSyncAt(second)
  await selectIn(source.folder.home, { version: String(first.length) })
  selection.check()
  await inSyncAt(first)
  t.alike(source.tree(), { a: 'one' })
  source.events.length = 0
  await selectIn(source.folder.home, { latest: true, exclude: ['b'] })
  selection.check()
  await seen((event) => event.type === 'in-sync', 'the newest version')
  t.alike(source.tree(), { a: 'two' })
})

test('an opening that fails leaves nothing that counts as opened', async (t) => {
  const source = await MirroredFolder.open(t)
  const { mirror } = await openMirror(t, source)
  const first = await mirror.workspace()
  t.is((await mirror.workspace()).baseline, first.baseline, 'nothing is read twice')
  const marker = source.at('.p2psync/folder.json')
  const text = readFileSync(marker)
  mirror.reopen()
  rmSync(marker)
  t.is(await codeOf(() => mirror.workspace()), 'HALTED')
  writeFileSync(marker, text)
  t.not((await mirror.workspace()).baseline, first.baseline, 'all is read anew')
})

test('a folder that has gone is reported once, and followed again when it is back', async (t) => {
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ a: 'one' })
  const marker = source.at('.p2psync/folder.json')
  const text = readFileSync(marker)
  rmSync(marker)
  const { mirror, inSyncAt, seen } = await openMirror(t, source)
  mirror.start()
  await seen((event) => event.type === 'error' && event.code === 'HALTED', 'the error')
  t.alike(source.tree(), {}, 'nothing is written')
  writeFileSync(marker, text)
  await inSyncAt(version)
  t.alike(source.tree(), { a: 'one' })
  await seen((event) => event.type === 'notice', 'word that it goes on')
  t.is(source.of('error').length, 1)
})
