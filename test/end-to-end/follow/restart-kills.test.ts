import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { State } from '../../../src/disk/state/state.ts'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { fill, startFolders } from '../../support/restart.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'

test('a reader killed during a download resumes it', async (t) => {
  const { bootstrap, source, mirror } = await startFolders(t)
  fill(source, 300)
  const writer = await startShare(t, source, { bootstrap })
  for (let round = 0; round < 3; round++) {
    // Slowly, so that each run is killed before its download is complete.
    const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--limit-down', '10M'] })
    await reader.event('progress', ({ phase, bytes }) => phase === 'fetch' && bytes > round * 1_000_000)
    await reader.kill('SIGKILL')
    for (const name of existsSync(mirror) ? readdirSync(mirror) : []) {
      if (name === 'large')
        t.ok(
          readFileSync(join(mirror, name)).equals(readFileSync(join(source, name))),
          'the file is complete or absent'
        )
    }
  }
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await waitUntilEqual(t, source, mirror)
  t.alike(readdirSync(join(mirror, '.p2psync/staging')), [], 'no partial download is left over')
})

test('a reader killed between two versions does not mistake its files for the older version', async (t) => {
  const { bootstrap, source, mirror, at } = await startFolders(t)
  writeFileSync(at('small'), 'small')
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, mirror, { bootstrap })
  const { version } = await first.event('in-sync')
  await first.kill('SIGTERM')
  // Each file is a batch of its own, recorded before the next.
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
    'the second version was partly applied'
  )
  t.ok(applied?.length !== version, 'the older version is no longer recorded as applied')
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await waitUntilEqual(t, source, mirror)
})

test('a killed writer resumes, and its readers follow', async (t) => {
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
  await waitUntilEqual(t, source, mirror)
  writeFileSync(at('after'), 'all that')
  await waitUntilEqual(t, source, mirror)
  const { fork } = await reader.event('applied', ({ fork }) => fork > 0)
  t.ok(fork > 0, 'each killed run led to a new fork')
  t.absent(
    reader.events.some(({ type }) => type === 'error'),
    'the reader reported nothing wrong'
  )
})
