import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clone, share } from '../../../src/index.ts'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import {
  heldBlockCount,
  killable,
  large,
  mb,
  openScene,
  other,
  versionOf,
  waitForKept
} from '../../support/keep-replaced.ts'
import { noLoopDevices, smallDisk } from '../../support/loop-device.ts'
import { PastReader } from '../../support/past-reader.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('replaced and removed files are kept in the mirror for a while, and served', async (t) => {
  const { source, mirror, writer, addresses, bootstrap, clone } = await openScene(t)
  const first = await clone()
  const before = versionOf(writer)
  writeFileSync(join(source, 'large'), bytesOf(3 * mb, 4))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, large)
  rmSync(join(source, 'other'))
  rmSync(join(source, 'small'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, large, other)
  await writer.kill('SIGTERM')
  const past = await PastReader.open(t, addresses, writer.key)
  t.ok((await past.read(await past.entry('large', before))).equals(large), 'the mirror alone serves the old bytes')

  await first.kill('SIGTERM')
  t.is((await heldBlockCount(mirror, writer.key, await past.entry('other', before))) > 0, true)
  const again = startClone(t, writer.key, mirror, { bootstrap })
  t.ok(
    (await past.read(await past.entry('other', before))).equals(other),
    'the mirror serves them after a restart, too'
  )
  await waitForKept(t, mirror, large, other)
  await again.kill('SIGTERM')

  const args = ['--keep-replaced', '1s']
  const last = startClone(t, writer.key, mirror, { bootstrap, args })
  await until(() => readdirSync(join(mirror, '.p2psync/kept')).length === 0, {
    what: 'the kept files to expire'
  })
  await last.kill('SIGTERM')
  for (const path of ['large', 'other']) {
    t.is(
      await heldBlockCount(mirror, writer.key, await past.entry(path, before)),
      0,
      `the mirror no longer announces ${path}`
    )
  }
})

test('kept files expire while the mirror runs', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const reader = await clone(['--keep-replaced', '1s'])
  rmSync(join(source, 'large'))
  await waitForKept(t, mirror, large)
  await waitForKept(t, mirror)
  t.ok(reader.running)
})

test('with --keep-replaced none nothing is kept', async (t) => {
  const { source, mirror, writer, addresses, clone } = await openScene(t)
  const reader = await clone(['--keep-replaced', 'none'])
  const before = versionOf(writer)
  writeFileSync(join(source, 'large'), bytesOf(3 * mb, 4))
  rmSync(join(source, 'other'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
  const past = await PastReader.open(t, addresses, writer.key)
  const entries = [await past.entry('large', before), await past.entry('other', before)]
  await reader.kill('SIGTERM')
  for (const entry of entries) t.is(await heldBlockCount(mirror, writer.key, entry), 0)
})

test('a mirror remembers its --keep-replaced, and keeps everything if it cannot read it', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  await (await clone(['--keep-replaced', 'none'])).kill('SIGTERM')
  const second = await clone()
  rmSync(join(source, 'large'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
  await second.kill('SIGTERM')

  writeFileSync(join(mirror, '.p2psync/keep-replaced.json'), '{"format":1,"ms":-5}')
  const third = await clone()
  const { message } = await third.event('notice', ({ message }) => message.includes('keep-replaced.json'))
  matches(
    t,
    message,
    /is damaged, or of a newer p2psync\. Until --keep-replaced is given again nothing that is kept goes/
  )
  rmSync(join(source, 'other'))
  await waitForKept(t, mirror, other)
  await third.kill('SIGTERM')

  const last = await clone(['--keep-replaced', '1s'])
  await waitForKept(t, mirror)
  await last.kill('SIGTERM')
  const { format, ms } = JSON.parse(readFileSync(join(mirror, '.p2psync/keep-replaced.json'), 'utf8'))
  t.alike([format, ms], [1, 1000])
})

test('a moved file, or one with a copy, is not kept', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  await clone()
  mkdirSync(join(source, 'd'))
  renameSync(join(source, 'large'), join(source, 'd/moved'))
  writeFileSync(join(source, 'copy'), other)
  await waitUntilEqual(t, source, mirror)
  rmSync(join(source, 'other'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
  // Moved over another file: only the overwritten file is kept.
  renameSync(join(source, 'd/moved'), join(source, 'copy'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, other)
  // Content that is back in the folder needs no keeping.
  writeFileSync(join(source, 'back'), other)
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
})

test('beyond the size limit the oldest kept file is deleted, also with a state elsewhere', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const state = await t.tmp()
  await clone(['--keep-replaced', '7d,4M', '--state', state])
  rmSync(join(source, 'large'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, large)
  rmSync(join(source, 'other'))
  await waitForKept(t, mirror, other)
})

test('beyond the size limit kept files are deleted while a pass is still at work', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const { env, arm } = await killable(t)
  const reader = await clone(['--keep-replaced', '4M'], env)
  // Synchronous, so that one version removes both.
  const both = join(await t.tmp(), 'both')
  mkdirSync(both)
  for (const name of ['large', 'other']) renameSync(join(source, name), join(both, name))
  arm('applied-noted')
  t.is(await reader.exit(), -1, 'killed')
  t.is(readdirSync(join(mirror, '.p2psync/kept')).length, 2, 'one kept file and its record')
})

test('content that the log holds in packs is not kept', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const path = join(source, 'text')
  writeFileSync(path, 'the same words, again and again\n'.repeat(100_000))
  const writer = await startShare(t, source, { bootstrap, args: ['--in-place-above', 'none'] })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  await reader.event('in-sync')
  rmSync(path)
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
})

const needsDisks = { skip: noLoopDevices !== false }

test('on a full disk kept files are deleted before work stops', needsDisks, async (t) => {
  const disk = await smallDisk(t, 256)
  const { source, mirror, clone } = await openScene(t, { mirror: join(disk.path, 'mirror') })
  const big = bytesOf(40 * mb, 5)
  writeFileSync(join(source, 'big'), big)
  const reader = await clone(['--keep-replaced', '7d,100M'])
  await waitUntilEqual(t, source, mirror)
  rmSync(join(source, 'big'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, big)
  disk.fill(30_000_000)
  writeFileSync(join(source, 'more'), bytesOf(45 * mb, 6))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror)
  const troubles = reader.events.filter(({ type }) => type === 'error' || type === 'problem')
  t.alike(troubles, [])
  t.is(statSync(join(mirror, 'more')).size, 45 * mb)
})

test('the API lists kept files and their expiry', async (t) => {
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'large'), large)
  const options = { bootstrap: [], lan: false }
  const shared = share(source, options)
  t.teardown(() => shared.close())
  await shared.ready()
  const keepMs = 3_600_000
  const cloned = clone(shared.key, mirror, { ...options, keepReplaced: { ms: keepMs } })
  t.teardown(() => cloned.close())
  t.alike(cloned.kept, [])
  const inSync = cloned.inSync()
  await cloned.ready()
  await inSync
  const beforeMs = Date.now()
  rmSync(join(source, 'large'))
  await until(() => cloned.kept.length > 0, { what: 'the kept file' })
  const [kept] = cloned.kept
  const keptMs = kept?.keptMs ?? 0
  t.alike(kept, { path: 'large', size: large.length, hash: hashOf(large), keptMs, expiresMs: keptMs + keepMs })
  t.ok(keptMs >= beforeMs && keptMs <= Date.now())
})
