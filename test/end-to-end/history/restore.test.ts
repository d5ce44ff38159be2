import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start } from '../../support/cli.ts'
import { type OutputRecord, run, startTwoVersions } from '../../support/restore.ts'
import { snapshot, waitUntilEqual } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('a mirror is restored to a version, keeps local changes, and is reverted', async (t) => {
  const { source, mirror, bootstrap, first, before, after, reader } = await startTwoVersions(t)
  writeFileSync(join(mirror, 'docs/todo'), 'mine')

  const planned = await run(t, ['restore', mirror, `@${first}`, '--dry-run'], bootstrap)
  t.is(planned.status, 0)
  t.is(readFileSync(join(mirror, 'docs/todo'), 'utf8'), 'mine', 'a dry run changes nothing')

  const done = await run(t, ['restore', mirror, `@${first}`], bootstrap)
  t.is(done.status, 0, done.stderr)
  const steps = (records: readonly OutputRecord[]) =>
    records.filter(({ type }) => type === 'step').map(({ op, path }) => [op, path])
  t.alike(steps(done.records), steps(planned.records), 'a restore does what its dry run announced')
  const summary = done.records.at(-1)
  t.is(summary?.changes, 8)
  t.is(summary?.conflicts, 1)
  const [kept] = readdirSync(join(mirror, 'docs')).filter(
    (name) => name.includes('.conflict-') || name.includes('conflict')
  )
  t.is(readFileSync(join(mirror, 'docs', kept ?? ''), 'utf8'), 'mine', 'unpublished content is kept')
  rmSync(join(mirror, 'docs', kept ?? ''))
  t.alike(snapshot(mirror), before, 'the folder equals the version, with the large file that the mirror had kept')

  const again = await run(t, ['restore', mirror, `docs/todo@${first}`], bootstrap)
  t.is(again.records.at(-1)?.changes, 0, 'nothing is left to do')
  await reader.event('diverged', ({ path }) => path === 'large.bin')

  const listed = await run(t, ['revert', mirror], bootstrap)
  t.alike(
    listed.records.filter(({ type }) => type === 'diverged').map(({ path, kind }) => `${path} ${kind}`),
    [
      'docs/todo changed',
      'gone added',
      'large.bin changed',
      'new deleted',
      'old added',
      'old/empty added',
      'old/large.bin added',
      'old/link added'
    ],
    'paths that differ, and paths that the source no longer has'
  )
  t.alike(snapshot(mirror), before, 'without --yes nothing is removed')
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.alike(snapshot(mirror), after, 'the mirror equals the source')
  writeFileSync(join(source, 'new'), 'newer')
  await waitUntilEqual(t, source, mirror)
})

test('restoring a source publishes a new version, and can be undone', async (t) => {
  const { source, mirror, bootstrap, first, second, before, after, writer } = await startTwoVersions(t)
  const seen = writer.events.length
  const back = await run(t, ['restore', source, `@${first}`], bootstrap)
  t.is(back.status, 0, back.stderr)
  t.alike(snapshot(source), before)
  await writer.event('published', () => true, seen)
  await waitUntilEqual(t, source, mirror)
  const forward = await run(t, ['restore', `${source}@${second}`], bootstrap)
  t.is(forward.status, 0, forward.stderr)
  t.alike(snapshot(source), after, 'the folder equals the version, with the large file that was replaced twice')
  await waitUntilEqual(t, source, mirror)
})

test('a restore to another directory replaces nothing, and reports its limits', async (t) => {
  const { source, mirror, bootstrap, first, before } = await startTwoVersions(t)
  const to = join(await t.tmp(), 'as it was')
  const elsewhere = await run(t, ['restore', mirror, `@${first}`, '--to', to], bootstrap)
  t.is(elsewhere.status, 0, elsewhere.stderr)
  t.alike(snapshot(to), before)
  const again = await run(t, ['restore', mirror, `@${first}`, '--to', to], bootstrap)
  t.is(again.status, 1, 'existing files stay')
  const cases: ReadonlyArray<[args: readonly string[], status: number]> = [
    [['restore', source], 2],
    [['restore', source, 'docs'], 2],
    [['restore', source, '@999999'], 1],
    [['restore', source, `nowhere@${first}`], 1],
    [['restore', source, `../outside@${first}`], 2],
    [['restore', join(source, 'docs/nothing'), `@${first}`], 10],
    [['revert', mirror, 'nowhere'], 1]
  ]
  for (const [args, status] of cases) t.is((await run(t, args, bootstrap)).status, status, args.slice(2).join(' '))
})

test('the next restore completes a killed one', async (t) => {
  const { source, mirror, bootstrap, first, before, reader } = await startTwoVersions(t)
  const command = start(t, ['restore', mirror, `@${first}`, '--json'], { bootstrap })
  await until(() => readFileSync(join(mirror, 'docs/todo'), 'utf8') === 'one' || !command.running, {
    what: 'a first file'
  })
  await reader.kill('SIGKILL')
  await command.exit()
  const done = await run(t, ['restore', mirror, `@${first}`], bootstrap)
  t.is(done.status, 0, done.stderr)
  t.alike(snapshot(mirror), before)
  t.ok(existsSync(source))
})
