import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { bytesOf } from '../../support/bytes.ts'
import { start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('polling alone finds changes when notifications are switched off', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const writer = await startShare(t, source, { bootstrap, args: ['--poll', '200ms'] })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  writeFileSync(join(source, 'file'), 'content')
  await waitUntilEqual(t, source, mirror)
})

test('paths that cannot be published are reported, and all others arrive', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), 'content')
  writeFileSync(join(source, 'back\\slash'), '')
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xff, 0x67])]), '')
  execFileSync('mkfifo', [join(source, 'fifo')])
  const server = createServer().listen(join(source, 'socket'))
  t.teardown(() => server.close())

  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const problems = writer.events.flatMap((event) =>
    event.type === 'problem' ? [`${event.path}: ${event.message}`] : []
  )
  t.alike(problems.sort(), [
    'back\\slash: Left out: a backslash in a name, which separates names on Windows',
    'fifo: Left out: a FIFO',
    'fÿg: Left out: a name that is not UTF-8',
    'socket: Left out: a socket'
  ])
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  t.ok(existsSync(join(mirror, 'file')))
})

test('a folder without its marker is not published, and publishing resumes when the marker is back', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const state = join(await t.tmp(), 'state')
  for (let i = 0; i < 10; i++) writeFileSync(join(source, `${i}`), 'content')
  const writer = await startShare(t, source, { bootstrap, args: ['--state', state, '--rescan-interval', '1s'] })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')

  renameSync(source, `${source}-away`)
  const { code } = await writer.event('error')
  t.is(code, 'HALTED')
  renameSync(`${source}-away`, source)
  await writer.event('notice')
  writeFileSync(join(source, 'later'), 'later')
  await waitUntilEqual(t, source, mirror)
  t.absent(
    writer.events.some((event) => event.type === 'published' && event.removals > 0),
    'no deletion'
  )
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} stops both sides in time, with everything saved`, async (t) => {
    const { text: bootstrap } = await startTestnet(t)
    const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
    writeFileSync(join(source, 'file'), 'content')
    // On a busy machine a shutdown may miss its deadline now and then; one that hangs misses it each time.
    let wasCutOff = true
    for (let tries = 0; wasCutOff && tries < 5; tries++) {
      const writer = await startShare(t, source, { bootstrap })
      const reader = startClone(t, writer.key, mirror, { bootstrap })
      await reader.event('in-sync')
      t.alike(await Promise.all([writer.kill(signal), reader.kill(signal)]), [130, 130])
      wasCutOff = [writer, reader].some(({ stderr }) => stderr.includes('cut off'))
    }
    t.absent(wasCutOff, 'no shutdown missed its deadline')
    const again = await startShare(t, source, { bootstrap })
    await again.event('up-to-date')
    t.absent(
      again.events.some(({ type }) => type === 'published'),
      'nothing was left to publish'
    )
  })
}

test('without --json, stderr describes the events for people', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'bell\u0007'), 'content')
  execFileSync('mkfifo', [join(source, 'fifo\u001b[31m')])
  const writer = start(t, ['share', source], { bootstrap })
  await until(() => /Published/.test(writer.stderr), { what: 'the first version' })
  matches(t, writer.stderr, /^Sharing .*\nTo follow it elsewhere: p2psync clone [a-z0-9]{52} <dir>\n/)
  matches(t, writer.stderr, /Problem: fifo\\x1b\[31m: Left out: a FIFO/)
  matches(t, writer.stderr, /Published version \d+: 1 file, 7 B \(1 change, 8 B stored\)/)
  const reader = start(t, ['clone', writer.stdout.trim(), mirror, '--once'], { bootstrap })
  t.is(await reader.exit(), 0)
  matches(t, reader.stderr, /Applied version \d+: 1 file, 7 B\nIn sync with version \d+\n/)
  t.is(reader.stdout, '', 'stdout is for data')

  const quiet = start(t, ['clone', writer.stdout.trim(), mirror, '--once', '--quiet'], { bootstrap })
  t.is(await quiet.exit(), 0)
  t.is(quiet.stderr, '')
})

/** Bytes that a process has read so far, from files and otherwise. */
const readBy = (pid: number) => Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])

test('a renamed directory is not read again', { skip: process.platform !== 'linux' }, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  mkdirSync(join(source, 'one/deeper'), { recursive: true })
  for (let i = 0; i < 100; i++) writeFileSync(join(source, `one/deeper/small-${i}`), bytesOf(40_000, i))
  for (let i = 0; i < 3; i++) writeFileSync(join(source, `one/large-${i}`), bytesOf(8_000_000, i))
  const writer = await startShare(t, source, { bootstrap })
  await startClone(t, writer.key, mirror, { bootstrap }).event('in-sync')

  const [before, events] = [readBy(writer.pid), writer.events.length]
  renameSync(join(source, 'one'), join(source, 'two'))
  await writer.event('published', ({ puts, removals }) => puts > 100 && removals > 100, events)
  const read = readBy(writer.pid) - before
  t.ok(read < 4_000_000, `${read} of 28,000,000 bytes were read`)
  await waitUntilEqual(t, source, mirror)

  // A file recognised by its former path is an ordinary file from then on.
  appendFileSync(join(source, 'two/large-1'), 'more')
  writeFileSync(join(source, 'two/deeper/small-7'), 'other')
  await waitUntilEqual(t, source, mirror)
})
