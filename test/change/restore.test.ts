import { rmSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { type RestoreRecord, restore } from '../../src/change/restore.ts'
import type { Version } from '../../src/tree/tree.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { publishAndApply } from '../support/written.ts'

const { signal } = new AbortController()

/** A folder at a second version, which has changed and removed files of a first. */
async function open(t: Assert) {
  const mirror = await MirroredFolder.open(t)
  const first = await publishAndApply(mirror, { d: directoryOf(), 'd/f': 'one', 'd/gone': 'gone', g: 'same' })
  await publishAndApply(mirror, { 'd/f': 'two', 'd/gone': undefined, 'd/new': 'new' })
  const run = (version: Version, path = '', dryRun = false) =>
    restore(mirror.workspace, version, { path: path === '' ? '' : pathOf(path), dryRun }, signal)
  return { mirror, first, run }
}

function stepsIn(records: readonly RestoreRecord[]): string[] {
  return records.flatMap((record) => (record.type === 'step' ? [`${record.op} ${record.path}`] : []))
}

test('a folder gets the content of a version; files that the log can give again go', async (t) => {
  const { mirror, first, run } = await open(t)
  const recorded = mirror.workspace.baseline.entry(pathOf('d/f'))
  const records = await run(first)
  t.alike(mirror.tree(), { d: '/', 'd/f': 'one', 'd/gone': 'gone', g: 'same' })
  t.alike(mirror.workspace.baseline.entry(pathOf('d/f')), recorded, 'nothing is recorded')
  t.is(mirror.touched, 1)
  const end = records.at(-1)
  t.ok(end?.type === 'restored' && end.version === first.length && end.conflicts === 0 && end.problems === 0)
})

test('a dry run only lists the steps', async (t) => {
  const { mirror, first, run } = await open(t)
  const before = mirror.tree()
  const dry = await run(first, '', true)
  t.alike(mirror.tree(), before)
  t.is(mirror.touched, 0)
  const steps = stepsIn(dry)
  for (const step of ['write d/f', 'write d/gone', 'remove d/new']) t.ok(steps.includes(step), step)
  t.alike(stepsIn(await run(first)), steps, 'which the real run takes')
})

test('one path is restored alone', async (t) => {
  const { mirror, first, run } = await open(t)
  await run(first, 'd/gone')
  t.alike(mirror.tree(), { d: '/', 'd/f': 'two', 'd/gone': 'gone', 'd/new': 'new', g: 'same' })
  t.is(await codeOf(() => run(first, 'nowhere')), 'NO_SUCH_PATH')
})

test('a file that was never in the log is kept as a conflict copy, and others stay', async (t) => {
  const { mirror, first, run } = await open(t)
  writeFileSync(mirror.at('d/f'), 'mine')
  writeFileSync(mirror.at('own'), 'never shared')
  const records = await run(first)
  const conflict = records.find((record) => record.type === 'conflict')
  t.is(conflict?.type === 'conflict' && conflict.path, 'd/f')
  t.is(mirror.tree()[(conflict?.type === 'conflict' && conflict.keptAs) || ''], 'mine')
  t.is(mirror.tree()['d/f'], 'one')
  t.is(mirror.tree().own, 'never shared')
  const end = records.at(-1)
  t.is(end?.type === 'restored' && end.others, 1)
})

test('a file that holds any former version goes without a conflict copy', async (t) => {
  const { mirror, first, run } = await open(t)
  const second = mirror.log.version as Version
  await publishAndApply(mirror, { 'd/f': 'three' })
  await run(first, 'd/f')
  t.is(mirror.tree()['d/f'], 'one', 'what neither the baseline nor the next version has')
  const records = await run(second, 'd/f')
  t.is(mirror.tree()['d/f'], 'two')
  t.absent(records.some(({ type }) => type === 'conflict'))
})

test('what an earlier restore has brought goes with the next', async (t) => {
  const { mirror, first, run } = await open(t)
  await run(first, 'd/gone')
  const second = mirror.log.version as Version
  await run(second)
  t.absent(mirror.has('d/gone'))
  t.is(mirror.tree()['d/f'], 'two')
})

test('nothing is restored into another folder', async (t) => {
  const { mirror, first, run } = await open(t)
  rmSync(mirror.at('.p2psync/folder.json'))
  t.is(await codeOf(() => run(first)), 'HALTED')
  t.is(mirror.tree()['d/f'], 'two')
})
