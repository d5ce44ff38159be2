import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { canMount, diskMount } from '../../support/mount.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

const puts = (command: Command) =>
  command.events.map((event) => (event.type === 'published' ? event.puts : 0)).reduce((sum, count) => sum + count, 0)

test('a change that keeps size and time is followed', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const [live, later] = [join(source, 'live'), join(source, 'later')]
  for (const path of [live, later]) {
    writeFileSync(path, 'before')
    utimesSync(path, 1e9, 1e9)
  }
  const writer = await startShare(t, source, { bootstrap })
  startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  writeFileSync(live, 'after.')
  utimesSync(live, 1e9, 1e9)
  await waitUntilEqual(t, source, mirror)
  t.is(readFileSync(join(mirror, 'live'), 'utf8'), 'after.')

  await writer.kill('SIGTERM')
  writeFileSync(later, 'after.')
  utimesSync(later, 1e9, 1e9)
  await startShare(t, source, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  t.is(readFileSync(join(mirror, 'later'), 'utf8'), 'after.')
})

test('scan --checksum finds a change that left no trace in the file system', { skip: !canMount }, async (t) => {
  const base = await t.tmp()
  const [source, state] = [join(base, 'source'), join(base, 'state')]
  const disk = diskMount(t, source, 32)
  const content = `a photo that will rot ${'.'.repeat(8000)}`
  writeFileSync(join(source, 'photo'), content)
  writeFileSync(join(source, 'sound'), 'sound')
  const writer = await startShare(t, source, { args: ['--state', state] })
  await writer.event('up-to-date')
  await writer.kill('SIGTERM')
  const before = statSync(join(source, 'photo'))

  disk.unmount()
  const image = readFileSync(disk.image)
  let rotten = 0
  for (let at = image.indexOf('will rot'); at !== -1; at = image.indexOf('will rot', at + 1)) {
    image.write('has rott', at)
    rotten++
  }
  t.ok(rotten > 0)
  writeFileSync(disk.image, image)
  disk.mount()
  const after = statSync(join(source, 'photo'))
  t.ok(readFileSync(join(source, 'photo'), 'utf8').includes('has rott'))
  t.alike(
    [after.size, after.mtimeMs, after.ctimeMs, after.ino],
    [before.size, before.mtimeMs, before.ctimeMs, before.ino]
  )

  const plain = start(t, ['scan', source, '--json'])
  t.is(await plain.exit(), 0)
  t.is(puts(plain), 0, 'a plain scan misses the change')
  const checked = start(t, ['scan', source, '--json', '--checksum'])
  t.is(await checked.exit(), 0)
  t.is(puts(checked), 1, 'a checksum scan publishes the changed file alone')
  const again = start(t, ['scan', source, '--checksum'])
  t.is(await again.exit(), 0)
  matches(t, again.stderr, /^Up to date with version \d+\n$/)
})

test('scan refuses a folder that is not shared or is in use', async (t) => {
  const source = await t.tmp()
  writeFileSync(join(source, 'file'), 'x')
  const early = start(t, ['scan', source])
  t.is(await early.exit(), 10)
  matches(t, early.stderr, /is not a folder of p2psync\. Share it first.*\[FOLDER_MISSING\]/)
  const writer = await startShare(t, source, {})
  await writer.event('up-to-date')
  const busy = start(t, ['scan', source])
  t.is(await busy.exit(), 11)
  matches(t, busy.stderr, new RegExp(`process ${writer.pid} .*\\[LOCKED\\]`))
  await writer.kill('SIGTERM')
  writeFileSync(join(source, 'file'), 'more')
  const scan = start(t, ['scan', source])
  t.is(await scan.exit(), 0)
  matches(
    t,
    scan.stderr,
    /^Published version \d+: 1 file, 4 B \(1 change, \d+ B stored\)\nUp to date with version \d+\n$/
  )
  t.is(scan.stdout, '')
})
