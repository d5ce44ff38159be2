import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../../support/bytes.ts'
import { start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { test } from '../../support/together.ts'

test('a limit holds, and can be lifted while the folder runs', async (t) => {
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'large'), bytesOf(20_000_000))
  // At this rate the transfer would exceed every test's timeout.
  const writer = await startShare(t, source, { bootstrap: 'none', args: ['--limit-up', '50k'] })
  await writer.event('up-to-date')
  const startMs = performance.now()
  const reader = startClone(t, writer.key, mirror, { bootstrap: 'none' })
  await reader.event('peer', ({ state }) => state === 'traffic')
  const seconds = (performance.now() - startMs) / 1000
  const received = reader.events.reduce((sum, event) => {
    return event.type === 'peer' ? sum + event.receiveRate * 5 : sum
  }, 0)
  t.ok(received < 50_000 * (seconds + 5), `${received} bytes in ${Math.round(seconds)} s`)
  const lift = start(t, ['limit', source, '--up', 'none', '--json'])
  t.is(await lift.exit(), 0)
  t.is(lift.stdout, '{"type":"limits"}\n')
  await reader.event('in-sync')
})

test('a mirror can be limited before its next run, and prints the limits in force', async (t) => {
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'small'), 'small')
  const writer = await startShare(t, source, { bootstrap: 'none' })
  const args = ['--once']
  t.is(await startClone(t, writer.key, mirror, { bootstrap: 'none', args }).exit(), 0)
  const first = start(t, ['limit', mirror, '--down', '1M'])
  t.is(await first.exit(), 0)
  matches(t, first.stderr, /up no limit, down 1\.0 MB\/s/)
  const second = start(t, ['limit', mirror, '--up', '2M', '--json'])
  t.is(await second.exit(), 0)
  t.alike(JSON.parse(second.stdout), { type: 'limits', up: 2_000_000, down: 1_000_000 })
  writeFileSync(join(source, 'large'), bytesOf(3_000_000))
  await writer.event('published', ({ bytes }) => bytes > 3_000_000)
  const startMs = performance.now()
  t.is(await startClone(t, writer.key, mirror, { bootstrap: 'none', args }).exit(), 0)
  t.ok(performance.now() - startMs > 2000, '3 MB at 1 MB/s')
})

test('limit refuses a directory that is no folder, and an invalid rate', async (t) => {
  const nowhere = start(t, ['limit', await t.tmp(), '--up', '1M'])
  t.is(await nowhere.exit(), 10)
  const none = start(t, ['limit', '.'])
  t.is(await none.exit(), 2)
  const odd = start(t, ['limit', '.', '--up', 'fast'])
  t.is(await odd.exit(), 2)
  matches(t, odd.stderr, /Give bytes per second/)
})
