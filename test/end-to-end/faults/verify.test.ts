import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flipBit } from '../../support/bit-flips.ts'
import { start, startClone } from '../../support/cli.ts'
import { canMount, diskMount } from '../../support/mount.ts'
import { matches } from '../../support/says.ts'
import { differences, snapshot } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'
import {
  allFiles,
  eventsOf,
  liveBlocks,
  nameOf,
  removeConflicts,
  rot,
  startPair,
  verify
} from '../../support/verify.ts'

test('damage done by the disk alone is repaired, and not kept as a conflict', { skip: !canMount }, async (t) => {
  const base = await t.tmp()
  const at = join(base, 'disk')
  const disk = diskMount(t, at, 128)
  rmSync(join(at, 'lost+found'), { recursive: true })
  const { bootstrap, source, mirror } = await startPair(t, at)
  const paths = ['dir-1/small-4', 'dir-2/middle-5', 'large-0', 'large-1']
  disk.unmount()
  rot(
    disk.image,
    paths.map((path) => readFileSync(join(source, path)))
  )
  disk.mount()
  const repaired = await verify(t, mirror, bootstrap, '--repair')
  t.is(repaired.status, 0)
  const files = repaired.damaged.filter(({ what }) => what === 'file')
  t.alike(files.map(nameOf).sort(), paths)
  t.ok(
    files.every(({ message }) => /nothing else of it/.test(message)),
    'the damage is recognised as the disk’s'
  )
  t.is(removeConflicts(mirror), 0)
  t.alike(differences(source, mirror), [])
  t.is((await verify(t, mirror, bootstrap)).status, 0)
})

test('a mirror repairs its source, which publishes none of the damage', async (t) => {
  const { bootstrap, source, mirror, writer } = await startPair(t)
  await writer.kill('SIGTERM')
  const before = snapshot(source)
  const blocks = liveBlocks(join(source, '.p2psync/store'), source)
  const [block] = blocks
  if (block === undefined) throw new Error('No block')
  flipBit(block.file, block.at + 10, 1)
  for (const path of ['large-2', 'dir-0/small-0', 'dir-1/middle-1']) flipBit(join(source, path), 1000, 5)
  const names = [`content ${block.index}`, 'large-2', 'dir-0/small-0', 'dir-1/middle-1'].sort()

  const alone = await verify(t, source, bootstrap, '--repair', '--timeout', '1s')
  t.is(alone.status, 15)
  t.alike(alone.damaged.map(nameOf).sort(), names)
  const left = eventsOf(alone.command, 'unrepaired').map(nameOf)
  t.ok(left.includes('large-2') && left.includes(`content ${block.index}`), left.join(' '))

  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('ready')
  const repaired = await verify(t, source, bootstrap, '--repair')
  t.is(repaired.status, 0)
  t.alike(eventsOf(repaired.command, 'repaired').map(nameOf).sort(), left.sort())
  t.is(removeConflicts(source), 3)
  t.alike(snapshot(source), before)
  t.is((await verify(t, source, bootstrap)).status, 0)
  const scan = start(t, ['scan', source, '--json'], { bootstrap })
  t.is(await scan.exit(), 0)
  // Only the times of directories changed.
  t.absent(scan.events.some((event) => event.type === 'published' && (event.puts > 3 || event.stored > 0)))
})

test('a mirror without a baseline is compared with its log', async (t) => {
  const { bootstrap, source, mirror } = await startPair(t)
  rmSync(join(mirror, '.p2psync/state'), { recursive: true })
  flipBit(join(mirror, 'large-1'), 2_000_000, 1)
  const found = await verify(t, mirror, bootstrap)
  t.is(found.status, 15)
  t.alike(found.damaged.map(nameOf), ['state', 'large-1'])
  const repaired = await verify(t, mirror, bootstrap, '--repair')
  t.is(repaired.status, 0)
  t.is(removeConflicts(mirror), 1)
  t.alike(differences(source, mirror), [])
  t.is((await verify(t, mirror, bootstrap)).status, 0)
})

test('a user’s change is no damage', async (t) => {
  const { bootstrap, mirror } = await startPair(t)
  writeFileSync(join(mirror, 'dir-0/small-0'), 'mine')
  rmSync(join(mirror, 'dir-0/small-3'))
  writeFileSync(join(mirror, 'new'), 'mine too')
  const { status, command, damaged } = await verify(t, mirror, bootstrap, '--repair')
  t.is(status, 0)
  t.alike(damaged, [])
  const diverged = eventsOf(command, 'diverged').map(({ path }) => path)
  t.alike(diverged.sort(), ['dir-0/small-0', 'dir-0/small-3'])
  t.is(readFileSync(join(mirror, 'dir-0/small-0'), 'utf8'), 'mine')
})

test('a sample reads the requested amount', async (t) => {
  const { bootstrap, mirror } = await startPair(t)
  const { status, end } = await verify(t, mirror, bootstrap, '--sample', '20%')
  t.is(status, 0)
  const totalBytes = allFiles.reduce((sum, { bytes }) => sum + bytes, 0)
  t.is(end.bytesTotal, totalBytes)
  // The last file may exceed the amount.
  t.ok(end.bytes >= 0.19 * totalBytes && end.bytes < 0.2 * totalBytes + 3_000_000, `${end.bytes} of ${totalBytes}`)
  t.ok(end.blocks > 0 && end.blocks < 0.6 * end.blocksTotal, `${end.blocks} of ${end.blocksTotal}`)
  for (const bad of ['0', '101%', 'half']) {
    t.is(await start(t, ['verify', mirror, '--sample', bad]).exit(), 2)
  }
})

test('verify reports its findings in words, also while the folder runs', async (t) => {
  const { bootstrap, source, mirror } = await startPair(t)
  const busy = start(t, ['verify', source], { bootstrap })
  t.is(await busy.exit(), 0)
  matches(t, busy.stderr, /: nothing is damaged\n$/)
  const sound = start(t, ['verify', mirror], { bootstrap })
  t.is(await sound.exit(), 0)
  matches(t, sound.stderr, /^Read 123 files \([\d.]+ MB\) and \d+ blocks \([\d.]+ MB\): nothing is damaged\n$/)
  t.is(sound.stdout, '')
  flipBit(join(mirror, 'large-1'), 5, 5)
  const found = start(t, ['verify', mirror], { bootstrap })
  t.is(await found.exit(), 15)
  matches(t, found.stderr, /^damaged: large-1: Its bytes are not .*\nRead .*: 1 damaged, 0 repaired\. Give --repair\n$/)
  const strange = start(t, ['verify', await t.tmp()], { bootstrap })
  t.is(await strange.exit(), 10)
})
