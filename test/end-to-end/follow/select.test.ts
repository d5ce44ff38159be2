import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Assert } from 'brittle'
import { clone } from '../../../src/index.ts'
import { bytesOf } from '../../support/bytes.ts'
import { start, startClone, startShare } from '../../support/cli.ts'
import { killingAt } from '../../support/killing.ts'
import { matches } from '../../support/says.ts'
import { snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

type Files = Readonly<Record<string, string | Buffer>>

const tree: Files = {
  'docs/a.md': 'a',
  'docs/b.txt': 'b',
  'docs/deep/c.md': 'c',
  'photos/1.jpg': 'one',
  'photos/raw/1.dng': 'raw',
  'readme.md': 'read me'
}

function write(root: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
}

async function startWriter(t: Assert, files: Files = tree) {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  write(source, files)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  return { bootstrap, source, mirror, writer }
}

const pathsOf = (root: string) => [...snapshot(root).keys()].sort()

/** Waits until a directory holds exactly these paths. */
async function becomes(t: Assert, root: string, paths: readonly string[]): Promise<void> {
  const want = [...paths].sort().join('\n')
  const isSo = () => {
    try {
      return pathsOf(root).join('\n') === want
    } catch {
      return false // A file vanished during the walk.
    }
  }
  await until(isSo, { what: 'these paths' }).catch(() => {})
  t.alike(pathsOf(root), [...paths].sort())
}

async function select(t: Assert, mirror: string, ...args: string[]): Promise<string> {
  const command = start(t, ['select', mirror, ...args])
  t.is(await command.exit(), 0)
  if (command.stderr !== '') t.comment(command.stderr)
  return command.stdout
}

test('a partial clone holds its part, and keeps to it after a restart', async (t) => {
  const { bootstrap, mirror, writer } = await startWriter(t)
  const args = ['--once', '--only', '*.md', '--only', 'photos/', '--exclude', 'raw']
  const first = startClone(t, writer.key, mirror, { bootstrap, args })
  t.is(await first.exit(), 0)
  const part = ['docs', 'docs/a.md', 'docs/deep', 'docs/deep/c.md', 'photos', 'photos/1.jpg', 'readme.md']
  t.alike(pathsOf(mirror), part)
  const { files, bytes } = await first.event('applied')
  t.alike([files, bytes], [4, 12], 'the totals count selected files only')

  const again = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await again.exit(), 0)
  t.alike(pathsOf(mirror), part)
  t.is(await start(t, ['verify', mirror], { bootstrap }).exit(), 0, 'an unselected file is no damage')
  rmSync(join(mirror, 'readme.md'))
  t.is(await start(t, ['restore', `${mirror}@0s`], { bootstrap }).exit(), 0)
  t.alike(pathsOf(mirror), part, 'a full restore brings back the selected files')
  const other = startClone(t, writer.key, mirror, { bootstrap, args: ['--once', '--exclude', 'docs'] })
  t.is(await other.exit(), 0)
  t.alike(pathsOf(mirror), ['photos', 'photos/1.jpg', 'photos/raw', 'photos/raw/1.dng', 'readme.md'])
})

test('unselected content is not fetched', async (t) => {
  const { bootstrap, mirror, writer } = await startWriter(t, {
    'wanted/small': 'small',
    'wanted/large': bytesOf(2_000_000, 1),
    'other/large': bytesOf(20_000_000, 2),
    ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`other/small-${i}`, bytesOf(200_000, i)]))
  })
  const [host, port] = (bootstrap.split(',')[0] as string).split(':') as [string, string]
  const folder = clone(writer.key, mirror, { only: ['wanted'], bootstrap: [{ host, port: Number(port) }], lan: false })
  t.teardown(() => folder.close())
  const inSync = folder.inSync()
  await folder.ready()
  await inSync
  t.alike(pathsOf(mirror), ['wanted', 'wanted/large', 'wanted/small'])
  const { received } = folder.traffic
  t.ok(received > 2_000_000 && received < 4_000_000, `${received} bytes received of 30,000,000`)
  t.alike(await folder.select(), { only: ['wanted'], exclude: [], version: null, pending: null })

  const changed = await folder.select({ exclude: ['other', 'large'] })
  t.alike(changed, { only: [], exclude: ['other', 'large'], version: null, pending: null })
  await becomes(t, mirror, ['wanted', 'wanted/small'])
})

test('a running mirror follows a new selection, and keeps local changes', async (t) => {
  const { bootstrap, source, mirror, writer } = await startWriter(t)
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  writeFileSync(join(mirror, 'docs/a.md'), 'edited here')
  writeFileSync(join(mirror, 'photos/mine.txt'), 'mine')
  await select(t, mirror, '--only', 'photos/raw')
  await becomes(t, mirror, ['docs', 'docs/a.md', 'photos', 'photos/mine.txt', 'photos/raw', 'photos/raw/1.dng'])
  t.is(readFileSync(join(mirror, 'docs/a.md'), 'utf8'), 'edited here')

  // The mirror ignores changes outside its selection.
  const events = reader.events.length
  write(source, { 'photos/2.jpg': 'two', 'photos/raw/2.dng': 'raw too' })
  await becomes(t, mirror, [
    ...['docs', 'docs/a.md', 'photos', 'photos/mine.txt', 'photos/raw', 'photos/raw/1.dng', 'photos/raw/2.dng']
  ])
  t.absent(reader.events.slice(events).some(({ type }) => type === 'conflict' || type === 'problem'))

  await select(t, mirror, '--all')
  await reader.event('conflict', ({ path }) => path === 'docs/a.md')
  const kept = reader.events.flatMap((event) => (event.type === 'conflict' ? [event.keptAs] : []))
  await becomes(t, mirror, [...pathsOf(source), 'photos/mine.txt', ...kept])
  t.alike(
    kept.map((name) => readFileSync(join(mirror, name), 'utf8')),
    ['edited here']
  )
  t.is(readFileSync(join(mirror, 'docs/a.md'), 'utf8'), 'a')
})

test('a stopped mirror follows a new selection when it starts', async (t) => {
  const { bootstrap, source, mirror, writer } = await startWriter(t)
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once', '--only', 'docs'] }).exit(), 0)
  t.is(await select(t, mirror), 'only docs\nversion latest\n')
  writeFileSync(join(mirror, 'docs/b.txt'), 'edited here')
  t.alike(JSON.parse(await select(t, mirror, '--exclude', 'docs', '--json')), {
    type: 'selection',
    ...{ only: [], exclude: ['docs'], version: null, pending: null }
  })
  write(source, { 'later.txt': 'later', 'docs/later.txt': 'later' })
  const again = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await again.exit(), 0)
  t.alike(pathsOf(mirror), [
    ...['docs', 'docs/b.txt', 'later.txt', 'photos', 'photos/1.jpg', 'photos/raw', 'photos/raw/1.dng', 'readme.md']
  ])
  t.is(readFileSync(join(mirror, 'docs/b.txt'), 'utf8'), 'edited here')
})

test('directories come and go with the selected files in them', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`many/${i}.md`, 'one of many']))
  const { bootstrap, source, mirror, writer } = await startWriter(t, {
    'a/b/c.txt': 'c',
    ...many
  })
  const before = ['many', ...Object.keys(many)]
  const env = { NODE_DEBUG: 'p2psync:mirror' }
  const reader = startClone(t, writer.key, mirror, { bootstrap, env, args: ['--only', '*.md'] })
  await reader.event('in-sync')
  await becomes(t, mirror, before)
  const traced = reader.stderr.length
  // The directories existed before anything in them was selected.
  write(source, { 'a/b/d.md': 'd' })
  await becomes(t, mirror, [...before, 'a', 'a/b', 'a/b/d.md'])
  write(source, { 'a/b/e.md': 'e', 'a/b/c.txt': 'other' })
  rmSync(join(source, 'a/b/d.md'))
  await becomes(t, mirror, [...before, 'a', 'a/b', 'a/b/e.md'])
  rmSync(join(source, 'a/b/e.md'))
  await becomes(t, mirror, before)
  const counts = [...reader.stderr.slice(traced).matchAll(/(\d+) paths to plan for/g)].map(([, count]) => Number(count))
  t.ok(counts.length > 0 && Math.max(...counts) < 10, `no pass considered the whole tree: ${counts} paths`)
  t.absent(reader.events.some(({ type }) => type === 'problem' || type === 'conflict'))
})

test('a user’s files are never removed, even if they equal unselected files', async (t) => {
  const { bootstrap, mirror, writer } = await startWriter(t)
  write(mirror, tree)
  // With work left over, a start has to expect unrecorded writes of an earlier run.
  rmSync(join(mirror, 'docs/b.txt'))
  execFileSync('mkfifo', [join(mirror, 'docs/b.txt')])
  const args = ['--once', '--adopt', '--only', 'docs']
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args }).exit(), 3)
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args }).exit(), 3)
  for (const path of ['photos/1.jpg', 'photos/raw/1.dng', 'readme.md']) {
    t.is(readFileSync(join(mirror, path), 'utf8'), tree[path] as string)
  }
})

test('writes of a killed run are recognised when another selection follows', async (t) => {
  const { bootstrap, source, mirror, writer } = await startWriter(t)
  const other = join(dirname(mirror), 'other')
  const docs = ['docs', 'docs/a.md', 'docs/b.txt', 'docs/deep', 'docs/deep/c.md']
  for (const root of [mirror, other]) {
    t.is(await startClone(t, writer.key, root, { bootstrap, args: ['--once', '--only', 'docs'] }).exit(), 0)
    await select(t, root, '--all')
    // All files are in place, and none is recorded.
    const killed = startClone(t, writer.key, root, { bootstrap, env: await killingAt(t, 'folder-durable') })
    t.is(await killed.exit(), -1)
    t.ok(existsSync(join(root, 'photos/1.jpg')))
  }
  await select(t, mirror, '--only', 'docs')
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  t.alike(pathsOf(mirror), docs)
  write(source, { 'photos/1.jpg': 'changed since' })
  await writer.event('published', ({ puts }) => puts < 5)
  const again = startClone(t, writer.key, other, { bootstrap, args: ['--once'] })
  t.is(await again.exit(), 0)
  t.absent(again.events.some(({ type }) => type === 'conflict'))
  t.alike(pathsOf(other), pathsOf(source))
  t.is(readFileSync(join(other, 'photos/1.jpg'), 'utf8'), 'changed since')
})

test('a damaged selection is reported and changes nothing', async (t) => {
  const { bootstrap, source, mirror, writer } = await startWriter(t)
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--only', 'docs'] })
  await reader.event('in-sync')
  const file = join(mirror, '.p2psync/selection.json')
  appendFileSync(file, '}')
  await reader.event('notice', ({ message }) => /selection\.json is damaged.*stays as it was/.test(message))
  write(source, { 'docs/later': 'later', 'photos/later': 'later' })
  const part = ['docs', 'docs/a.md', 'docs/b.txt', 'docs/deep', 'docs/deep/c.md', 'docs/later']
  await becomes(t, mirror, part)
  await reader.kill('SIGTERM')
  const again = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await again.exit(), 0)
  t.ok(again.events.some((event) => event.type === 'notice' && /is damaged/.test(event.message)))
  t.alike(pathsOf(mirror), part)
  const half = start(t, ['select', mirror, '--exclude', 'deep'])
  t.is(await half.exit(), 1)
  matches(t, half.stderr, /is damaged.*--all --latest/)
  await select(t, mirror, '--exclude', 'deep', '--latest')
  // A missing selection file is written anew.
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  rmSync(file)
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  t.absent(existsSync(join(mirror, 'docs/deep')))
  t.is(await select(t, mirror), 'exclude deep\nversion latest\n')
})

test('an invalid selection is refused', async (t) => {
  const directory = await t.tmp()
  const refusals: ReadonlyArray<[args: string[], status: number, says: RegExp]> = [
    [['select', directory], 10, /is not a folder of p2psync/],
    [['select', directory, '--only', 'a', '--all'], 2, /not both/],
    [['select', directory, '--latest', '--version', '3'], 2, /not both/],
    [['clone', 'a'.repeat(52), directory, '--only', '!a'], 2, /--exclude/]
  ]
  for (const [args, status, what] of refusals) {
    const command = start(t, args)
    const [code] = [await command.exit()]
    t.is(code, status, args.join(' '))
    matches(t, command.stderr, what)
  }
  const { source } = await startWriter(t)
  const writer = start(t, ['select', source, '--all'])
  t.is(await writer.exit(), 1)
  matches(t, writer.stderr, /is shared from here/)
})
