import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { becomeSame, snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

interface Told {
  readonly type: string
  readonly version?: number
  readonly path?: string
  readonly op?: string
  readonly kind?: string
  readonly changes?: number
  readonly conflicts?: number
  readonly others?: number
}

/** Runs a command to its end. @returns its status, and what it printed as JSON */
async function run(t: Assert, args: readonly string[], bootstrap: string) {
  const command = start(t, [...args, '--json'], { bootstrap })
  const status = await command.exit()
  return { status, told: command.events as unknown as readonly Told[], stderr: command.stderr }
}

/** A folder with two versions, as they were, and what follows it. */
async function startTwoVersions(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  const at = (path: string) => join(source, path)
  mkdirSync(at('docs'))
  writeFileSync(at('docs/todo'), 'one')
  writeFileSync(at('gone'), 'was here')
  mkdirSync(at('old/empty'), { recursive: true })
  symlinkSync('../gone', at('old/link'))
  writeFileSync(at('old/large.bin'), bytesOf(3_000_000, 3))
  writeFileSync(at('large.bin'), bytesOf(3_000_000, 1))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  const { version: first } = await writer.event('published')
  const before = snapshot(source)
  writeFileSync(at('docs/todo'), 'two')
  rmSync(at('gone'))
  rmSync(at('old'), { recursive: true })
  writeFileSync(at('new'), 'new')
  writeFileSync(at('large.bin'), bytesOf(3_000_000, 2))
  await becomeSame(t, source, mirror)
  const second = (await run(t, ['log', mirror, '-n', '1'], bootstrap)).told[0]?.version
  return { source, mirror, writer, reader, bootstrap, first, second, before, after: snapshot(source) }
}

async function ends(...commands: readonly Command[]): Promise<void> {
  for (const command of commands) await command.kill('SIGTERM')
}

test('a mirror goes back to a version, keeps what was changed in it, and is reverted', async (t) => {
  const { source, mirror, bootstrap, first, before, after, reader } = await startTwoVersions(t)
  writeFileSync(join(mirror, 'docs/todo'), 'mine')

  const planned = await run(t, ['restore', mirror, `@${first}`, '--dry-run'], bootstrap)
  t.is(planned.status, 0)
  t.is(readFileSync(join(mirror, 'docs/todo'), 'utf8'), 'mine', 'a dry run changes nothing')

  const done = await run(t, ['restore', mirror, `@${first}`], bootstrap)
  t.is(done.status, 0, done.stderr)
  const steps = (told: readonly Told[]) => told.filter(({ type }) => type === 'step').map(({ op, path }) => [op, path])
  t.alike(steps(done.told), steps(planned.told), 'it does what it said')
  const summary = done.told.at(-1)
  t.is(summary?.changes, 8)
  t.is(summary?.conflicts, 1)
  const [kept] = readdirSync(join(mirror, 'docs')).filter(
    (name) => name.includes('.conflict-') || name.includes('conflict')
  )
  t.is(readFileSync(join(mirror, 'docs', kept ?? ''), 'utf8'), 'mine', 'what was never published is kept')
  rmSync(join(mirror, 'docs', kept ?? ''))
  t.alike(snapshot(mirror), before, 'all is as it was, also the large file, which the mirror has kept')

  const again = await run(t, ['restore', mirror, `docs/todo@${first}`], bootstrap)
  t.is(again.told.at(-1)?.changes, 0, 'there is nothing more to do')
  await reader.event('diverged', ({ path }) => path === 'large.bin')

  const listed = await run(t, ['revert', mirror], bootstrap)
  t.alike(
    listed.told.filter(({ type }) => type === 'diverged').map(({ path, kind }) => `${path} ${kind}`),
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
    'what differs, and what the source does not have any more'
  )
  t.alike(snapshot(mirror), before, 'without --yes nothing goes')
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.alike(snapshot(mirror), after, 'the mirror is as the source has it')
  writeFileSync(join(source, 'new'), 'newer')
  await becomeSame(t, source, mirror)
})

test('a source goes back to a version, which becomes a new one, and forward again', async (t) => {
  const { source, mirror, bootstrap, first, second, before, after, writer } = await startTwoVersions(t)
  const seen = writer.events.length
  const back = await run(t, ['restore', source, `@${first}`], bootstrap)
  t.is(back.status, 0, back.stderr)
  t.alike(snapshot(source), before)
  await writer.event('published', () => true, seen)
  await becomeSame(t, source, mirror)
  const forward = await run(t, ['restore', `${source}@${second}`], bootstrap)
  t.is(forward.status, 0, forward.stderr)
  t.alike(snapshot(source), after, 'also the large file, which was replaced twice')
  await becomeSame(t, source, mirror)
})

test('folders that nobody is at work on are restored and reverted too', async (t) => {
  const { source, mirror, bootstrap, first, before, after, writer, reader } = await startTwoVersions(t)
  await ends(writer, reader)
  for (const folder of [source, mirror]) {
    const one = await run(t, ['restore', folder, `docs@${first}`], bootstrap)
    t.is(one.status, 0, one.stderr)
    t.is(readFileSync(join(folder, 'docs/todo'), 'utf8'), 'one')
    t.absent(existsSync(join(folder, 'gone')), 'the rest stays')
  }
  const all = await run(t, ['restore', mirror, `@${first}`], bootstrap)
  t.is(all.status, 0, all.stderr)
  t.alike(snapshot(mirror), before)
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.alike(snapshot(mirror), after)
  const refused = await run(t, ['revert', source, '--yes'], bootstrap)
  t.is(refused.status, 1, 'what is shared from here is no mirror')
  t.ok(refused.stderr.includes('[FOLDER_ROLE]'))
})

test('a restore elsewhere replaces nothing, and says what it can not do', async (t) => {
  const { source, mirror, bootstrap, first, before } = await startTwoVersions(t)
  const to = join(await t.tmp(), 'as it was')
  const there = await run(t, ['restore', mirror, `@${first}`, '--to', to], bootstrap)
  t.is(there.status, 0, there.stderr)
  t.alike(snapshot(to), before)
  const again = await run(t, ['restore', mirror, `@${first}`, '--to', to], bootstrap)
  t.is(again.status, 1, 'what is there stays')
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

test('what a kill cuts off is done by the next restore', async (t) => {
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

test('one restore after the other leaves nothing of the first', async (t) => {
  const { source, mirror, bootstrap, first, second, before, after, writer, reader } = await startTwoVersions(t)
  const cases: ReadonlyArray<[where: string, folder: string, ended: readonly Command[]]> = [
    ['a mirror at work', mirror, []],
    // What a source has replaced of large files can be had from its mirrors.
    ['a source at rest', source, [writer]],
    ['a mirror at rest', mirror, [reader]]
  ]
  for (const [where, folder, ended] of cases) {
    await ends(...ended)
    const restored = async (version: number | undefined) => {
      const done = await run(t, ['restore', folder, `@${version}`], bootstrap)
      t.is(done.status, 0, done.stderr)
      return done.told.at(-1)?.others
    }
    t.is(await restored(first), 0)
    t.alike(snapshot(folder), before, where)
    t.is(await restored(second), 0)
    t.alike(snapshot(folder), after, where)
    await restored(first)
    const own = ['docs/mine', 'mine', 'old/mine']
    for (const path of own) writeFileSync(join(folder, path), 'mine')
    // Nothing that can travel: no concern of a restore's.
    spawnSync('mkfifo', [join(folder, 'pipe')])
    t.is(await restored(second), own.length, 'what stays is told')
    rmSync(join(folder, 'pipe'))
    const left = [...snapshot(folder).keys()].filter((path) => !after.has(path))
    t.alike(left, ['docs/mine', 'mine', 'old', 'old/mine'], 'the user’s own, also in what goes')
    for (const path of own) rmSync(join(folder, path))
    await restored(second)
    t.alike(snapshot(folder), after, 'nothing is lost by it')
  }
})

test('what the log has forgotten stays when another version is restored', async (t) => {
  const { mirror, bootstrap, first, second, writer, reader } = await startTwoVersions(t)
  await ends(writer, reader)
  t.is((await run(t, ['restore', mirror, `@${first}`], bootstrap)).status, 0)
  t.is((await run(t, ['gc', mirror, '--keep', '0s'], bootstrap)).status, 0)
  const done = await run(t, ['restore', mirror, `@${second}`], bootstrap)
  t.is(done.status, 0, done.stderr)
  t.is(done.told.at(-1)?.others, 1)
  t.is(readFileSync(join(mirror, 'gone'), 'utf8'), 'was here', 'it is the only copy')
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.ok(existsSync(join(mirror, 'gone')))
  const large = await run(t, ['restore', mirror, `old/large.bin@${first}`], bootstrap)
  t.is(large.status, 0, 'what went was kept')
})
