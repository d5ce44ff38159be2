import { lutimesSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot, startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

/** Seconds since 1970. */
const times = { epoch: 0, before: -86_400.5, long: -2_000_000_000, far: 4_102_444_800.25, now: 1_700_000_000.001 }

test('times before 1970 and far ahead are kept, and decide no order', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  // As text: Node reads a negative number as the current time.
  const at = (seconds: number) => String(seconds + 5e-7)
  for (const [name, seconds] of Object.entries(times)) {
    writeFileSync(join(source, name), name)
    mkdirSync(join(source, `${name}-d`))
    symlinkSync('x', join(source, `${name}-l`))
    utimesSync(join(source, name), at(seconds), at(seconds))
    utimesSync(join(source, `${name}-d`), at(seconds), at(seconds))
    lutimesSync(join(source, `${name}-l`), at(seconds), at(seconds))
  }
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror, { directoryTimes: true })
  for (const [name, seconds] of Object.entries(times)) {
    t.is(Math.floor(statSync(join(mirror, name)).mtimeMs), Math.floor((seconds + 5e-7) * 1000), name)
  }

  // Each later content has an earlier time.
  for (const [i, seconds] of [2_000_000_000, 1_000_000_000, 0, -1_000_000_000].entries()) {
    writeFileSync(join(source, 'now'), `content ${i}`)
    utimesSync(join(source, 'now'), at(seconds), at(seconds))
    await waitUntilEqual(t, source, mirror)
    t.is(readFileSync(join(mirror, 'now'), 'utf8'), `content ${i}`)
  }
  t.is(reader.events.filter(({ type }) => type === 'conflict' || type === 'diverged').length, 0)
})

test('a clock that jumps years ahead and back disturbs nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const clock = join(await t.tmp(), 'clock')
  writeFileSync(clock, '0')
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/jumping-clock.js')).href
  const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_TEST_CLOCK: clock }
  writeFileSync(join(source, 'file'), 'first')
  const writer = await startShare(t, source, { bootstrap, env })
  const reader = startClone(t, writer.key, mirror, { bootstrap, env })
  await reader.event('in-sync')
  const yearMs = 365 * 86_400_000
  for (const [i, jumpMs] of [30 * yearMs, -40 * yearMs, 5, -5, 0, yearMs, -yearMs].entries()) {
    writeFileSync(clock, String(jumpMs))
    writeFileSync(join(source, 'file'), `content ${i}`)
    writeFileSync(join(source, `new ${i}`), `new ${i}`)
    await waitUntilEqual(t, source, mirror)
  }
  await writer.kill('SIGTERM')
  await reader.kill('SIGTERM')
  writeFileSync(clock, String(-20 * yearMs))
  writeFileSync(join(source, 'file'), 'last')
  const again = await startShare(t, source, { bootstrap, env })
  startClone(t, again.key, mirror, { bootstrap, env })
  await waitUntilEqual(t, source, mirror)
  const bad = [...writer.events, ...reader.events].filter(({ type }) => ['error', 'conflict', 'problem'].includes(type))
  t.alike(bad, [])
})
