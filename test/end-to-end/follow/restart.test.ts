import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { fill, startFolders } from '../../support/restart.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('a writer finds changes made while it was not running', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  fill(source, 20)
  const first = await startShare(t, source, { bootstrap })
  const reader = startClone(t, first.key, mirror, { bootstrap })
  await reader.event('in-sync')
  t.is(await first.kill('SIGTERM'), 130)

  writeFileSync(at('new'), 'new')
  writeFileSync(at('many/1'), 'changed')
  rmSync(at('many/2'))
  renameSync(at('many'), at('moved'))
  const second = await startShare(t, source, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  const { stored } = await second.event('published')
  t.ok(stored < 1000, 'only new content was stored')
})

test('a reader catches up with changes made while it was not running', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  fill(source, 20)
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  await first.event('in-sync')
  await first.kill('SIGTERM')
  writeFileSync(at('many/1'), 'changed')
  rmSync(at('many/2'))
  await writer.event('published', ({ removals }) => removals > 0)
  const second = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await second.exit(), 0)
  await waitUntilEqual(t, source, mirror)
})

test('a reader receives everything from another reader when the writer is gone', async (t) => {
  const { bootstrap, source, mirror } = await startFolders(t)
  fill(source, 50)
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  await first.event('in-sync')
  await writer.kill('SIGTERM')

  const second = join(await t.tmp(), 'second')
  t.is(await startClone(t, writer.key, second, { bootstrap, args: ['--once'] }).exit(), 0)
  await waitUntilEqual(t, source, second)
})

test('a user’s changes in a mirror are never lost', async (t) => {
  const { bootstrap, source, mirror, at, here } = await startFolders(t)
  for (const name of [
    'edited here',
    'edited on both sides',
    'edited here, removed there',
    'deleted here',
    'deleted here, changed there',
    'kept'
  ]) {
    writeFileSync(at(name), 'original')
  }
  mkdirSync(at('directory'))
  writeFileSync(at('directory/theirs'), 'original')
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  await first.event('in-sync')
  await first.kill('SIGTERM')

  for (const name of ['edited here', 'edited on both sides', 'edited here, removed there'])
    writeFileSync(here(name), 'mine')
  for (const name of ['deleted here', 'deleted here, changed there']) rmSync(here(name))
  writeFileSync(here('my own'), 'mine')
  writeFileSync(here('directory/my own'), 'mine')
  writeFileSync(here('new on both sides'), 'mine')
  writeFileSync(at('edited on both sides'), 'theirs')
  rmSync(at('edited here, removed there'))
  writeFileSync(at('deleted here, changed there'), 'theirs')
  writeFileSync(at('new on both sides'), 'theirs')
  rmSync(at('directory'), { recursive: true })

  const second = startClone(t, writer.key, mirror, { bootstrap })
  await until(
    () => existsSync(here('new on both sides')) && readFileSync(here('new on both sides'), 'utf8') === 'theirs',
    {
      what: 'the new file'
    }
  )
  await second.event('in-sync')
  await second.event('diverged', ({ path, kind }) => path === 'edited here' && kind === 'changed')
  await second.event('diverged', ({ path, kind }) => path === 'deleted here' && kind === 'deleted')
  const files = new Map<string, string>()
  for (const name of readdirSync(mirror, { recursive: true, encoding: 'utf8' })) {
    if (!name.startsWith('.p2psync') && name !== 'directory')
      files.set(name.replace(/conflict-[^.]+/, 'conflict'), readFileSync(here(name), 'utf8'))
  }
  t.alike(Object.fromEntries([...files].sort()), {
    'deleted here, changed there': 'theirs',
    'directory/my own': 'mine',
    'edited here': 'mine',
    'edited here, removed there': 'mine',
    'edited on both sides': 'theirs',
    'edited on both sides.conflict': 'mine',
    kept: 'original',
    'my own': 'mine',
    'new on both sides': 'theirs',
    'new on both sides.conflict': 'mine'
  })
  t.is(second.events.filter(({ type }) => type === 'conflict').length, 2)
})

test('an adopted directory keeps matching and other files alike', async (t) => {
  const { bootstrap, source, mirror, at, here } = await startFolders(t)
  mkdirSync(mirror)
  for (const place of [at, here]) writeFileSync(place('same'), bytesOf(300_000))
  utimesSync(here('same'), 1_000_000, 1_000_000)
  writeFileSync(at('other'), 'theirs')
  writeFileSync(here('other'), 'mine')
  writeFileSync(here('my own'), 'mine')
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--once', '--adopt'] })
  t.is(await reader.exit(), 0)
  t.is(readFileSync(here('other'), 'utf8'), 'theirs')
  t.is(readFileSync(here('my own'), 'utf8'), 'mine')
  const { keptAs } = await reader.event('conflict')
  t.is(readFileSync(here(keptAs), 'utf8'), 'mine')
  const { changes } = await reader.event('applied')
  t.is(changes, 2, 'one file was written, one got its modification time')
})

test('a lost state costs a full scan, and stores nothing again', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  fill(source, 50)
  const first = await startShare(t, source, { bootstrap })
  await first.event('up-to-date')
  await first.kill('SIGTERM')
  rmSync(at('.p2psync/state'), { recursive: true })
  const second = await startShare(t, source, { bootstrap })
  await second.event('up-to-date')
  t.absent(
    second.events.some(({ type }) => type === 'published'),
    'nothing was to be published'
  )
  renameSync(at('large'), at('renamed'))
  const { stored } = await second.event('published')
  t.ok(stored < 200_000, `${stored} bytes were stored for a rename`)
  t.is(await startClone(t, second.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await waitUntilEqual(t, source, mirror)
})
