import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { bindMount, canMount, memoryMount } from '../../support/mount.ts'
import { matches } from '../../support/says.ts'
import { differences, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

const some = 200
/** A scan of this many files lasts long enough to be interrupted. */
const many = 2500

/** A shared folder on a disk of its own, with its state elsewhere, and a mirror. */
async function onADisk(t: Assert, args: readonly string[] = [], files = some) {
  const { text: bootstrap } = await startTestnet(t)
  const base = await t.tmp()
  const [disk, source, state, mirror] = ['disk', 'source', 'state', 'mirror'].map((name) => join(base, name)) as [
    string,
    string,
    string,
    string
  ]
  mkdirSync(join(disk, 'sub'), { recursive: true })
  for (let i = 0; i < files; i++) writeFileSync(join(disk, i % 2 ? 'sub' : '', `f${i}`), `${i}`)
  const mount = bindMount(t, disk, source)
  const writer = await startShare(t, source, { bootstrap, args: ['--state', state, ...args] })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await writer.event('up-to-date')
  await reader.event('in-sync')
  return { bootstrap, disk, source, state, mirror, mount, writer, reader }
}

function removals(command: Command): number {
  let count = 0
  for (const event of command.events) if (event.type === 'published') count += event.removals
  return count
}

test('an unplugged disk deletes nothing, and is followed again when it is back', {
  skip: !canMount
}, async (t) => {
  const { disk, source, mirror, mount, writer } = await onADisk(t)
  mount.unmount()
  const { code, message } = await writer.event('error')
  t.is(code, 'HALTED')
  matches(t, message, /marker .* is missing. Is its disk mounted\? Nothing is read or written until it is back/)
  writeFileSync(join(source, 'in-the-mount-point'), 'nobody’s')
  mount.mount()
  writeFileSync(join(source, 'new'), 'new')
  await waitUntilEqual(t, disk, mirror)
  t.is(removals(writer), 0)
  t.absent(differences(disk, mirror).length, 'the mirror holds nothing from the mount point')
})

test('a disk that comes and goes during scans deletes nothing', {
  skip: !canMount
}, async (t) => {
  const { disk, source, mirror, mount, writer } = await onADisk(t, ['--poll', '10ms'], many)
  for (let i = 0; i < 60; i++) {
    mount.unmount()
    // A varying delay: each round hits another moment of a scan.
    for (let spin = 0; spin < i * 100_000; spin++) Math.sqrt(spin)
    mount.mount()
    await new Promise((resolve) => setImmediate(resolve))
  }
  writeFileSync(join(source, 'new'), 'new')
  await waitUntilEqual(t, disk, mirror)
  t.is(removals(writer), 0)
})

for (const what of ['an empty disk', 'the disk of another folder'] as const) {
  test(`${what} is not mistaken for the folder’s disk`, { skip: !canMount }, async (t) => {
    const { bootstrap, disk, source, state, mirror, mount, writer } = await onADisk(t)
    const before = differences(disk, mirror)
    mount.unmount()
    const other = memoryMount(t, source)
    if (what !== 'an empty disk') {
      const stranger = start(t, ['share', source, '--json'], { bootstrap })
      await stranger.event('up-to-date')
      await stranger.kill('SIGTERM')
    }
    await writer.event('error', ({ code }) => code === 'HALTED')
    await writer.kill('SIGTERM')
    t.is(removals(writer), 0)

    const again = start(t, ['share', source, '--state', state], { bootstrap })
    t.is(await again.exit(), 14, 'a restart refuses it, too')
    matches(t, again.stderr, /is the state of another folder, .*Nothing was changed \[HALTED\]/)
    other.unmount()
    mount.mount()
    const third = await startShare(t, source, { bootstrap, args: ['--state', state] })
    t.is(third.key, writer.key)
    await third.event('up-to-date')
    t.is(removals(third), 0)
    t.alike(differences(disk, mirror), before)
  })
}

test('a mirror whose disk is unplugged writes nothing to the mount point, and resumes when it is back', {
  skip: !canMount
}, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const base = await t.tmp()
  const [source, disk, mirror] = [join(base, 'source'), join(base, 'disk'), join(base, 'mirror')]
  mkdirSync(source)
  mkdirSync(disk)
  writeFileSync(join(source, 'file'), 'one')
  const mount = bindMount(t, disk, mirror)
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--state', join(base, 'state')] })
  await reader.event('in-sync')
  mount.unmount()
  writeFileSync(join(source, 'file'), 'two')
  await reader.event('error', ({ code }) => code === 'HALTED')
  t.alike(readdirSync(mirror), [], 'the mount point is empty')
  t.is(readFileSync(join(disk, 'file'), 'utf8'), 'one')
  mount.mount()
  await waitUntilEqual(t, source, mirror)
  await reader.event('notice', ({ message }) => message.startsWith('Going on'))
  t.is(reader.events.filter(({ type }) => type === 'conflict').length, 0)

  await reader.kill('SIGTERM')
  mount.unmount()
  const once = ['clone', writer.key, mirror, '--once', '--state', join(base, 'state')]
  const command = start(t, once, { bootstrap })
  t.is(await command.exit(), 14)
  matches(t, command.stderr, /\[HALTED\]/)
})

test('unmounting a disk inside the folder deletes nothing', {
  skip: !canMount
}, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const base = await t.tmp()
  const [source, mirror, disk] = [join(base, 'source'), join(base, 'mirror'), join(base, 'disk')]
  mkdirSync(source)
  memoryMount(t, disk)
  mkdirSync(join(disk, 'albums'))
  writeFileSync(join(disk, 'albums/photo'), 'photo')
  const mount = bindMount(t, disk, join(source, 'inner'))
  const writer = await startShare(t, source, { bootstrap, args: ['--poll', '100ms'] })
  startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)

  mount.unmount()
  const { path } = await writer.event('problem', ({ message }) => message.startsWith('A disk was mounted here'))
  t.is(path, 'inner')
  writeFileSync(join(source, 'else'), 'else')
  await writer.event('published', ({ puts }) => puts > 0, writer.events.length)
  t.is(readFileSync(join(mirror, 'inner/albums/photo'), 'utf8'), 'photo')
  mount.mount()
  writeFileSync(join(source, 'inner/albums/later'), 'later')
  await waitUntilEqual(t, source, mirror)
  t.is(removals(writer), 0)

  await t.execution(async () => {
    mount.unmount()
    rmSync(join(source, 'inner'), { recursive: true })
    await waitUntilEqual(t, source, mirror)
  }, 'removing the directory itself removes its contents')
})
