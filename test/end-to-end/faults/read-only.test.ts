import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { start, startClone, startShare } from '../../support/cli.ts'
import { bindMount, canMount } from '../../support/mount.ts'
import { matches } from '../../support/says.ts'
import { differences, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** Whether the test can make a file immutable: this takes root and support by the file system. */
const canFreeze = (() => {
  if (!canMount) return false
  const probe = join(tmpdir(), `p2psync-immutable-${process.pid}`)
  writeFileSync(probe, '')
  const { status } = spawnSync('chattr', ['+i', probe])
  spawnSync('chattr', ['-i', probe])
  spawnSync('rm', [probe])
  return status === 0
})()

test('an immutable file is reported and stays, and other changes arrive', { skip: !canFreeze }, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  mkdirSync(join(source, 'd'))
  for (const name of ['replaced', 'removed', 'moved', 'd/other']) writeFileSync(join(source, name), `${name} one`)
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  await reader.kill('SIGTERM')
  const frozen = ['replaced', 'removed', 'moved'].map((name) => join(mirror, name))
  execFileSync('chattr', ['+i', ...frozen])
  t.teardown(() => spawnSync('chattr', ['-i', ...frozen]), { order: 0 })
  writeFileSync(join(source, 'replaced'), 'replaced two')
  writeFileSync(join(source, 'd/other'), 'd/other two')
  execFileSync('rm', [join(source, 'removed')])
  execFileSync('mv', [join(source, 'moved'), join(source, 'd/moved')])
  // The changes may come in one version or in several.
  const removals = () =>
    writer.events.reduce((sum, event) => sum + (event.type === 'published' ? event.removals : 0), 0)
  await until(() => removals() >= 2, { what: 'both removals' })

  const once = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await once.exit(), 3)
  t.alike(once.events.flatMap((event) => (event.type === 'problem' ? [event.path] : [])).sort(), [
    'moved',
    'removed',
    'replaced'
  ])
  t.is(readFileSync(join(mirror, 'd/moved'), 'utf8'), 'moved one', 'a file that cannot be moved is copied')
  t.is(readFileSync(join(mirror, 'replaced'), 'utf8'), 'replaced one')
  t.is(readFileSync(join(mirror, 'd/other'), 'utf8'), 'd/other two')
  execFileSync('chattr', ['-i', ...frozen])
  const again = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  t.is(await again.exit(), 0)
  t.alike(differences(source, mirror), [])
})

test('a read-only folder is reported, and followed again when it is writable', {
  skip: !canMount
}, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const base = await t.tmp()
  const [source, disk, mirror] = [join(base, 'source'), join(base, 'disk'), join(base, 'mirror')]
  mkdirSync(source)
  mkdirSync(disk)
  writeFileSync(join(source, 'file'), 'one')
  bindMount(t, disk, mirror)
  const args = ['--state', join(base, 'state')]
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap, args })
  await reader.event('in-sync')
  const readOnly = bindMount(t, disk, mirror, 'ro')
  writeFileSync(join(source, 'file'), 'two')
  const { message } = await reader.event('problem', ({ path }) => path === 'file')
  matches(t, message, /read-only file system/)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'one')
  await reader.kill('SIGTERM')

  const refused = start(t, ['clone', writer.key, mirror, '--once', ...args], { bootstrap })
  t.is(await refused.exit(), 1)
  matches(t, refused.stderr, /can't be written to: read-only file system.*\[FOLDER_UNREADABLE\]/)
  t.absent(/\n\s+at /.test(refused.stderr), 'no stack trace')
  readOnly.unmount()
  startClone(t, writer.key, mirror, { bootstrap, args })
  await waitUntilEqual(t, source, mirror)
})
