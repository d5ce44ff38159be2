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
import type { Assert } from 'brittle'
import { State } from '../../../src/disk/state/state.ts'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { becomeSame } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

async function startFolders(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  return {
    bootstrap,
    source,
    mirror,
    at: (path: string) => join(source, path),
    here: (path: string) => join(mirror, path)
  }
}

/** Enough that it takes a while. */
function fill(source: string, files: number): void {
  mkdirSync(join(source, 'many'), { recursive: true })
  for (let i = 0; i < files; i++) writeFileSync(join(source, `many/${i}`), bytesOf(5000 + i, i + 1))
  writeFileSync(join(source, 'large'), bytesOf(40_000_000, 7))
}

test('what changed while the writer was not running is found when it starts', async (t) => {
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
  await becomeSame(t, source, mirror)
  const { stored } = await second.event('published')
  t.ok(stored < 1000, 'only what is new was stored')
})

test('what changed while the reader was not running is made good when it starts', async (t) => {
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
  await becomeSame(t, source, mirror)
})

test('a reader killed in the middle goes on where it was', async (t) => {
  const { bootstrap, source, mirror } = await startFolders(t)
  fill(source, 300)
  const writer = await startShare(t, source, { bootstrap })
  for (let round = 0; round < 3; round++) {
    // Slowly, so that each is killed before it has all.
    const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--limit-down', '10M'] })
    await reader.event('progress', ({ phase, bytes }) => phase === 'fetch' && bytes > round * 1_000_000)
    await reader.kill('SIGKILL')
    for (const name of existsSync(mirror) ? readdirSync(mirror) : []) {
      if (name === 'large')
        t.ok(readFileSync(join(mirror, name)).equals(readFileSync(join(source, name))), 'whole or not at all')
    }
  }
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await becomeSame(t, source, mirror)
  t.alike(readdirSync(join(mirror, '.p2psync/staging')), [], 'nothing is left of what was cut off')
})

test('a reader killed between two versions does not take what it holds for the older', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  writeFileSync(at('small'), 'small')
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  const { version } = await first.event('in-sync')
  await first.kill('SIGTERM')
  // Each is a batch of its own, recorded before the next.
  const names = ['a', 'b', 'c'] as const
  for (const [i, name] of names.entries()) writeFileSync(at(name), bytesOf(70_000_000, i + 1))
  await writer.event('published', ({ files }) => files === 4)
  const second = startClone(t, writer.key, mirror, { bootstrap })
  await second.event('progress', ({ phase, files }) => phase === 'fetch' && files > 0)
  await second.kill('SIGKILL')

  const state = await State.open(join(mirror, '.p2psync/state'))
  const baseline = await state.baseline()
  const applied = await state.note('applied')
  await state.close()
  t.ok(
    [...baseline.keys()].some((path) => path === 'a'),
    'it had begun'
  )
  t.ok(applied?.length !== version, 'the older version is not noted any more')
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await becomeSame(t, source, mirror)
})

test('a writer killed in the middle goes on, and its readers follow', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  fill(source, 300)
  let writer = await startShare(t, source, { bootstrap })
  const { key } = writer
  const reader = startClone(t, key, mirror, { bootstrap })
  await reader.event('applied')
  for (let round = 0; round < 3; round++) {
    writeFileSync(at('rewritten'), bytesOf(20_000_000, round))
    await writer.event('progress', ({ phase, bytesTotal }) => phase === 'publish' && bytesTotal >= 20_000_000)
    await writer.kill('SIGKILL')
    writer = await startShare(t, source, { bootstrap })
    t.is(writer.key, key)
  }
  await becomeSame(t, source, mirror)
  writeFileSync(at('after'), 'all that')
  await becomeSame(t, source, mirror)
  const { fork } = await reader.event('applied', ({ fork }) => fork > 0)
  t.ok(fork > 0, 'each cut-off run has led to a new fork')
  t.absent(
    reader.events.some(({ type }) => type === 'error'),
    'nothing was the matter at the reader'
  )
})

test('a reader gets all from another reader when the writer has gone', async (t) => {
  const { bootstrap, source, mirror } = await startFolders(t)
  fill(source, 50)
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  await first.event('in-sync')
  await writer.kill('SIGTERM')

  const second = join(await t.tmp(), 'second')
  t.is(await startClone(t, writer.key, second, { bootstrap, args: ['--once'] }).exit(), 0)
  await becomeSame(t, source, second)
})

test('what the user does in a mirror is never lost', async (t) => {
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
      what: 'the new file',
      ms: 30_000
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

test('a directory that is adopted keeps what matches, and what does not', async (t) => {
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
  t.is(changes, 2, 'one file was written, one given its time')
})

test('a state that is lost costs a look at all, and stores nothing again', async (t) => {
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
    'there was nothing to publish'
  )
  renameSync(at('large'), at('renamed'))
  const { stored } = await second.event('published')
  t.ok(stored < 200_000, `${stored} bytes were stored for a rename`)
  t.is(await startClone(t, second.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await becomeSame(t, source, mirror)
})
