import { lstatSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import {
  type ApplyVersionInput,
  type ApplyVersionOptions,
  applyVersion,
  type PassScope
} from '../../src/mirror/apply-version.ts'
import { PassStalled } from '../../src/mirror/pass-watchdog.ts'
import { PendingPaths } from '../../src/mirror/pending-paths.ts'
import { UnrecordedWrites } from '../../src/mirror/unrecorded-writes.ts'
import type { Plan } from '../../src/tree/plan.ts'
import { wholePart } from '../../src/tree/select.ts'
import type { Version } from '../../src/tree/tree.ts'
import { directoryOf, fileOf, pathOf, someTimeMs, symlinkOf } from '../support/entries.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'

const full: PassScope = { full: true, complete: undefined }

async function pass(
  mirror: MirroredFolder,
  version: Version,
  input: Partial<ApplyVersionInput> = {},
  options: Partial<ApplyVersionOptions> = {}
) {
  const { signal } = new AbortController()
  const plans: Plan[] = []
  const writes: string[] = []
  const outcome = await applyVersion(
    {
      workspace: { ...mirror.workspace, part: wholePart },
      log: mirror.log,
      version,
      scope: full,
      pending: new PendingPaths(),
      safeLinks: false,
      retriesMissing: true,
      mayHoldUnrecorded: false,
      ...input
    },
    {
      signal,
      closing: signal,
      readUnrecorded: () => UnrecordedWrites.read(mirror.log, undefined, version, [wholePart], signal),
      onPlanned: (plan) => plans.push(plan),
      onWriting: async () => void writes.push('begins'),
      onActive: () => {},
      onWork: () => () => {},
      ...options
    }
  )
  return { outcome, plans, writes }
}

test('a first version is written and recorded, with mode and times', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const version = await mirror.publish({
    a: directoryOf({ mode: 0o700 }),
    'a/f': 'content',
    'a/empty': fileOf('', { mode: 0o600 }),
    l: symlinkOf('a/f')
  })
  const { outcome, writes } = await pass(mirror, version)
  t.alike(mirror.tree(), { a: '/', 'a/empty': '', 'a/f': 'content', l: '-> a/f' })
  t.is(statSync(mirror.at('a')).mode & 0o777, 0o700)
  t.is(Math.round(statSync(mirror.at('a/f')).mtimeMs), someTimeMs)
  t.alike([...mirror.workspace.baseline.records.keys()].sort(), ['a', 'a/empty', 'a/f', 'l'])
  t.is((await mirror.state.baseline()).size, 4)
  t.is(outcome?.plan.steps.length, 4)
  t.is(outcome?.failed.size, 0)
  t.alike(writes, ['begins'])
  t.alike(readdirSync(mirror.folder.staging), [])
})

test('a later version changes only what differs; one without news has no outcome', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const first = await mirror.publish({ a: 'one', b: 'same', gone: 'x' })
  await pass(mirror, first)
  const before = lstatSync(mirror.at('b')).ino
  const second = await mirror.publish({ a: 'two', gone: undefined, c: 'three' })
  const { outcome } = await pass(mirror, second, { scope: { full: false, applied: first } })
  t.alike(mirror.tree(), { a: 'two', b: 'same', c: 'three' })
  t.is(lstatSync(mirror.at('b')).ino, before)
  t.alike([...(outcome?.paths ?? [])].sort(), ['a', 'c', 'gone'])

  const nothing = await pass(mirror, second, { scope: { full: false, applied: second } })
  t.is(nothing.outcome, undefined)
  const again = await pass(mirror, second)
  t.is(again.outcome?.plan.steps.length, 0)
  t.alike(again.writes, [], 'nothing is written')
})

test('a local edit in the way is kept as a conflict copy; one that is not stays and diverges', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const first = await mirror.publish({ a: 'one', b: 'one' })
  await pass(mirror, first)
  writeFileSync(mirror.at('a'), 'mine')
  writeFileSync(mirror.at('b'), 'mine too')
  writeFileSync(mirror.at('own'), 'never shared')
  const second = await mirror.publish({ a: 'two' })
  const { plans } = await pass(mirror, second)
  const { a, b, own, ...others } = mirror.tree()
  t.alike([a, b, own], ['two', 'mine too', 'never shared'])
  t.alike(Object.values(others), ['mine'])
  t.alike(
    mirror.of('conflict').map(({ path }) => path),
    ['a']
  )
  t.alike(plans[0]?.diverged, [{ path: pathOf('b'), kind: 'changed' }])
})

test('a content that is not what its entry promises is refused alone', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const first = await mirror.publish({ d: directoryOf() })
  await pass(mirror, first)
  const extents = [{ core: 0, block: 0, blocks: 1, offset: 0, length: 4, packed: false }]
  const second = await mirror.publish({ 'd/wrong': fileOf('evil', { extents }), ok: 'fine' })
  const { outcome } = await pass(mirror, second, { scope: { full: false, applied: first } })
  t.alike(mirror.tree(), { d: '/', ok: 'fine' })
  t.alike([...(outcome?.refused ?? [])], ['d/wrong'], 'no try makes it better')
  t.alike([...(outcome?.failed ?? [])], [])
  t.alike(
    mirror.of('problem').map(({ path, action }) => [path, action]),
    [['d/wrong', 'log']]
  )
})

test('unrecorded writes of an earlier run are the log’s, not the user’s', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const first = await mirror.publish({ a: 'one' })
  await pass(mirror, first)
  writeFileSync(mirror.at('a'), 'two') // As if a run had ended between the write and its record.
  writeFileSync(mirror.at('passing'), 'wanted by the second version alone')
  await mirror.publish({ a: 'two', passing: 'wanted by the second version alone' })
  const third = await mirror.publish({ a: 'three', passing: undefined })
  await pass(mirror, third, { mayHoldUnrecorded: true })
  t.alike(mirror.tree(), { a: 'three' })
  t.alike(mirror.of('conflict'), [])
})

test('a pending path is tried again', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const version = await mirror.publish({ a: 'one' })
  await pass(mirror, version)
  rmSync(mirror.at('a'))
  mirror.workspace.baseline.remove(pathOf('a'))
  const pending = {
    entries: new Map([[pathOf('a'), await mirror.log.entryAt(version, pathOf('a'), new AbortController().signal)]])
  }
  const { outcome } = await pass(mirror, version, { scope: { full: false, applied: version }, pending })
  t.alike(mirror.tree(), { a: 'one' })
  t.is(outcome?.plan.steps.length, 1)
})

test('nothing is written for a version of a former fork, into another folder, or after the end', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const version = await mirror.publish({ a: 'one' })
  const other = { ...version, fork: version.fork + 1 }
  t.ok((await failureOf(() => pass(mirror, other))) instanceof PassStalled)
  const ended = AbortSignal.abort(new Error('ended'))
  t.is(((await failureOf(() => pass(mirror, version, {}, { signal: ended }))) as Error).message, 'ended')
  rmSync(join(mirror.folder.root, '.p2psync/folder.json'))
  t.is(await codeOf(() => pass(mirror, version)), 'HALTED')
  t.alike(mirror.tree(), {})
})

test('a folder that has gone is not taken for one that is as it should be', async (t) => {
  const mirror = await MirroredFolder.open(t)
  const version = await mirror.publish({ a: 'one' })
  await pass(mirror, version)
  rmSync(join(mirror.folder.root, '.p2psync/folder.json'))
  t.is(await codeOf(() => pass(mirror, version)), 'HALTED')
})

test('a directory of the user’s own in the way keeps its files', async (t) => {
  const mirror = await MirroredFolder.open(t)
  mkdirSync(mirror.at('a'))
  writeFileSync(mirror.at('a/own'), 'mine')
  const version = await mirror.publish({ a: 'file' })
  await pass(mirror, version)
  const { a, ...others } = mirror.tree()
  t.is(a, 'file')
  t.ok(Object.values(others).includes('mine'))
})
