import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

// A reader that is killed between writing a version and recording it may find a newer version in the log
// when it starts again. Its own writes must not count as the user's changes.

test('unrecorded writes of a killed reader are not mistaken for the user’s when the log has a newer version', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const home = await t.tmp()
  const mirror = join(home, 'mirror')
  const at = (path: string) => join(source, path)
  for (const name of ['changed', 'removed', 'back-1', 'mode']) writeFileSync(at(name), `${name} 1`)
  const modeBefore = statSync(at('mode')).mode & 0o777
  const writer = await startShare(t, source, { bootstrap, args: ['--rescan-interval', '1s'] })
  const follow = async () => {
    const reader = startClone(t, writer.key, mirror, { bootstrap })
    await waitUntilEqual(t, source, mirror, { directoryTimes: true })
    await reader.event('in-sync')
    await reader.kill('SIGTERM')
    return reader
  }
  await follow()
  cpSync(join(mirror, '.p2psync/state'), join(home, 'state'), { recursive: true })

  writeFileSync(at('changed'), 'changed 2')
  writeFileSync(at('new'), 'new 2')
  mkdirSync(at('directory'))
  writeFileSync(at('directory/file'), 'file 2')
  symlinkSync('target', at('link'))
  renameSync(at('back-1'), at('back-2'))
  rmSync(at('removed'))
  chmodSync(at('mode'), 0o600)
  await follow()
  const visible = () => readdirSync(mirror).filter((name) => name !== '.p2psync')
  mkdirSync(join(home, 'second'))
  // Not by cpSync: Node 24 throws at a dangling link.
  for (const name of visible()) spawnSync('cp', ['-a', join(mirror, name), join(home, 'second')])

  writeFileSync(at('changed'), 'changed 3')
  for (const name of ['new', 'directory', 'link']) rmSync(at(name), { recursive: true })
  renameSync(at('back-2'), at('back-1'))
  writeFileSync(at('removed'), 'removed 3')
  chmodSync(at('mode'), modeBefore)
  await follow()

  // The log of the third version, the files of the second, and the records of the first.
  for (const name of visible()) rmSync(join(mirror, name), { recursive: true })
  spawnSync('cp', ['-a', `${join(home, 'second')}/.`, mirror])
  rmSync(join(mirror, '.p2psync/state'), { recursive: true })
  cpSync(join(home, 'state'), join(mirror, '.p2psync/state'), { recursive: true })
  const { events } = await follow()
  const troubles = events.filter(({ type }) => type === 'diverged' || type === 'problem' || type === 'conflict')
  t.alike(troubles, [], 'no write was mistaken for the user’s')
})
