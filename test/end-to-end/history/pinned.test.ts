import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { killingAt } from '../../support/killing.ts'
import { matches } from '../../support/says.ts'
import { snapshot, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

interface Published {
  readonly version: number
  readonly timeMs: number
}

/** A folder whose `file` has had the contents 1, 2 and 3, each a version of its own. */
async function startWriter(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), '1')
  writeFileSync(join(source, 'only in 1'), 'gone later')
  const writer = await startShare(t, source, { bootstrap })
  const versions: Published[] = []
  const publish = async (act: () => void) => {
    const from = writer.events.length
    act()
    await writer.event('published', undefined, from)
    const { version } = await writer.event('up-to-date', undefined, from)
    versions.push({ version, timeMs: Date.now() })
    return version
  }
  const { version } = await writer.event('up-to-date')
  versions.push({ version, timeMs: Date.now() })
  await publish(() => {
    writeFileSync(join(source, 'file'), '2')
    rmSync(join(source, 'only in 1'))
  })
  await publish(() => writeFileSync(join(source, 'file'), '3'))
  return { bootstrap, source, mirror, writer, versions, publish }
}

const fileOf = (root: string) => readFileSync(join(root, 'file'), 'utf8')

/** Waits until a mirror holds a version and reports it. */
async function isAt(t: Assert, reader: Command, mirror: string, version: number, text: string, from = 0) {
  await reader.event('in-sync', (event) => event.version === version, from)
  t.is(fileOf(mirror), text)
}

test('a mirror stays at its pinned version while the source changes, and moves when pinned elsewhere', async (t) => {
  const { bootstrap, source, mirror, writer, versions, publish } = await startWriter(t)
  const [first, second, third] = versions.map(({ version }) => version) as [number, number, number]
  const reader = startClone(t, `${writer.key}@${second}`, mirror, { bootstrap })
  await isAt(t, reader, mirror, second, '2')
  const latest = await publish(() => writeFileSync(join(source, 'file'), '4'))
  const other = startClone(t, writer.key, join(await t.tmp(), 'other'), { bootstrap })
  await other.event('in-sync', ({ version }) => version === latest)
  t.is(fileOf(mirror), '2')
  t.alike(
    reader.events.flatMap((event) => (event.type === 'applied' ? [event.version] : [])),
    [second]
  )

  const repin = async (args: string[], version: number, text: string) => {
    const from = reader.events.length
    t.is(await start(t, ['select', mirror, ...args]).exit(), 0)
    await isAt(t, reader, mirror, version, text, from)
  }
  await repin(['--version', `${first}`], first, '1')
  t.alike([...snapshot(mirror).keys()], ['file', 'only in 1'])
  await repin(['--version', '-1'], third, '3')
  t.alike([...snapshot(mirror).keys()], ['file'])
  await repin(['--version', new Date(versions[1]?.timeMs ?? 0).toISOString()], second, '2')
  await repin(['--latest'], latest, '4')
  writeFileSync(join(source, 'file'), '5')
  await waitUntilEqual(t, source, mirror)
  t.absent(reader.events.some(({ type }) => type === 'conflict' || type === 'problem' || type === 'error'))
})

test('a mirror stays at its pinned version after restarts of itself and of the source', async (t) => {
  const { bootstrap, source, mirror, writer, versions } = await startWriter(t)
  const [, second] = versions.map(({ version }) => version) as [number, number]
  const args = ['--once']
  t.is(await startClone(t, `${writer.key}@-1`, mirror, { bootstrap, args }).exit(), 0)
  t.is(fileOf(mirror), '2')
  const printed = start(t, ['select', mirror, '--json'])
  t.is(await printed.exit(), 0)
  t.alike(JSON.parse(printed.stdout), { type: 'selection', only: [], exclude: [], version: second, pending: null })

  // Each run of the source is another fork of the log.
  await writer.kill('SIGTERM')
  writeFileSync(join(source, 'file'), '4')
  const again = await startShare(t, source, { bootstrap })
  await again.event('published')
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync', ({ version }) => version === second)
  const { version: latest } = await again.event('up-to-date')
  const newestKnown = async () => {
    const status = start(t, ['status', mirror, '--json'])
    await status.exit()
    return (JSON.parse(status.stdout) as { readonly newest?: number }).newest
  }
  await until(async () => ((await newestKnown()) ?? 0) >= latest, { what: 'word of the new fork' })
  t.is(fileOf(mirror), '2')
  await reader.kill('SIGTERM')
  await again.kill('SIGTERM')

  // Without peers the mirror still knows that it is complete.
  const alone = startClone(t, writer.key, mirror, { bootstrap, args })
  t.is(await alone.exit(), 0)
  t.is(fileOf(mirror), '2')
})

test('writes of a run killed on its way back are recognised', async (t) => {
  const { bootstrap, mirror, writer, versions } = await startWriter(t)
  const [first] = versions as [Published]
  const args = ['--once']
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args }).exit(), 0)
  t.is(await start(t, ['select', mirror, '--version', `${first.version}`]).exit(), 0)
  const killed = startClone(t, writer.key, mirror, { bootstrap, env: await killingAt(t, 'folder-durable') })
  t.is(await killed.exit(), -1)
  t.is(fileOf(mirror), '1')
  t.is(await start(t, ['select', mirror, '--latest']).exit(), 0)
  const again = startClone(t, writer.key, mirror, { bootstrap, args })
  t.is(await again.exit(), 0)
  t.absent(again.events.some(({ type }) => type === 'conflict'))
  t.is(fileOf(mirror), '3')
  t.alike([...snapshot(mirror).keys()], ['file'])
})

test('edits in a mirror stay when it goes back', async (t) => {
  const { bootstrap, mirror, writer, versions } = await startWriter(t)
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  writeFileSync(join(mirror, 'file'), 'edited here')
  writeFileSync(join(mirror, 'mine'), 'mine')
  const [first] = versions as [Published]
  t.is(await start(t, ['select', mirror, '--version', `${first.version}`]).exit(), 0)
  const { keptAs } = await reader.event('conflict')
  await isAt(t, reader, mirror, first.version, '1')
  t.is(readFileSync(join(mirror, keptAs), 'utf8'), 'edited here')
  t.is(readFileSync(join(mirror, 'mine'), 'utf8'), 'mine')
})

test('versions that do not exist are refused', async (t) => {
  const { bootstrap, mirror, writer, versions } = await startWriter(t)
  const [first, , third] = versions.map(({ version }) => version) as [number, number, number]
  const refusals: ReadonlyArray<[name: string, status: number, says: RegExp]> = [
    [
      `${first + 1}`,
      1,
      new RegExp(`There is no version ${first + 1}; the one before it is ${first} \\[NO_SUCH_VERSION\\]`)
    ],
    [`${third + 100}`, 1, new RegExp(`There is no version ${third + 100}: the newest is \\d+`)],
    ['-100', 1, /There is no version -100: there are \d+ before the newest/],
    ['2001-01-01', 1, /There is no version of .* or before: the first is of 20/],
    ['yesterday', 2, /"yesterday" names no version/],
    ['', 2, /names no version/]
  ]
  for (const [name, status, what] of refusals) {
    const command = start(t, ['clone', `${writer.key}@${name}`, mirror, '--once'], { bootstrap })
    t.is(await command.exit(), status)
    matches(t, command.stderr, what)
  }
})

test('content of an earlier version that no peer has is a problem, and the other files arrive', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (let i = 0; i < 3; i++) writeFileSync(join(source, `large-${i}`), bytesOf(3_000_000, i))
  writeFileSync(join(source, 'small'), 'small')
  const writer = await startShare(t, source, { bootstrap })
  const { version } = await writer.event('up-to-date')
  writeFileSync(join(source, 'large-0'), bytesOf(3_000_000, 10))
  writeFileSync(join(source, 'large-1'), bytesOf(3_000_000, 11))
  writeFileSync(join(source, 'small'), 'other')
  const puts = () => writer.events.reduce((sum, event) => sum + (event.type === 'published' ? event.puts : 0), 0)
  await until(() => puts() >= 4 + 3, { what: 'all changes' })
  const startMs = performance.now()
  const reader = startClone(t, `${writer.key}@${version}`, mirror, { bootstrap, args: ['--once'] })
  t.is(await reader.exit(), 3)
  t.comment(`${Math.round(performance.now() - startMs)} ms`)
  t.alike([...snapshot(mirror).keys()], ['large-2', 'small'])
  t.is(readFileSync(join(mirror, 'small'), 'utf8'), 'small')
  const problems = reader.events.flatMap((event) => (event.type === 'problem' ? [event.path] : []))
  t.alike(problems.sort(), ['large-0', 'large-1'])
})
