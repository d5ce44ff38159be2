import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** Runs a writer twice and copies its store and state in between, so that a reader knows more than the copy. */
async function startWithCopy(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = await t.tmp()
  const own = join(source, '.p2psync')
  const copy = join(await t.tmp(), 'copy')
  writeFileSync(join(source, 'first'), bytesOf(300_000, 1))
  const first = await startShare(t, source, { bootstrap })
  await first.event('up-to-date')
  await first.kill('SIGTERM')
  cpSync(own, copy, { recursive: true, preserveTimestamps: true })

  const second = await startShare(t, source, { bootstrap })
  const reader = startClone(t, second.key, mirror, { bootstrap })
  for (const [i, name] of ['lost-1', 'lost-2', 'lost-3'].entries()) {
    const from = second.events.length
    writeFileSync(join(source, name), bytesOf(200_000, 10 + i))
    await second.event('published', () => true, from)
  }
  await waitUntilEqual(t, source, mirror)
  await second.kill('SIGTERM')
  rmSync(join(source, 'lost-2'))
  writeFileSync(join(source, 'other'), bytesOf(150_000, 20))
  return { bootstrap, source, mirror, own, copy, reader }
}

/** Restores the store or the state of a writer from the copy; the files around it stay the same files. */
function restoreFromCopy(own: string, copy: string, name: string): void {
  rmSync(join(own, name), { recursive: true })
  cpSync(join(copy, name), join(own, name), { recursive: true, preserveTimestamps: true })
}

/** Asserts that the reader caught up and keeps following without reporting trouble. */
async function assertFollowed(t: Assert, { source, mirror, reader }: Awaited<ReturnType<typeof startWithCopy>>) {
  await waitUntilEqual(t, source, mirror)
  for (let i = 0; i < 4; i++) writeFileSync(join(source, `later-${i}`), bytesOf(100_000, 30 + i))
  await waitUntilEqual(t, source, mirror)
  const wrong = reader.events.filter(({ type }) => type === 'error' || type === 'conflict' || type === 'problem')
  t.alike(wrong, [])
}

test('readers follow a log that was rolled back without a trace', async (t) => {
  const folders = await startWithCopy(t)
  const { bootstrap, source, own, copy } = folders
  // As after restoring a file system snapshot: everything is older, in the very same files.
  restoreFromCopy(own, copy, 'store/db')
  restoreFromCopy(own, copy, 'state')
  await startShare(t, source, { bootstrap })
  await assertFollowed(t, folders)
})

test('readers follow a rolled-back log that outgrew their length before they connect', async (t) => {
  const folders = await startWithCopy(t)
  const { bootstrap, source, own, copy } = folders
  restoreFromCopy(own, copy, 'store/db')
  restoreFromCopy(own, copy, 'state')
  const writer = await startShare(t, source, {})
  for (let i = 0; i < 6; i++) {
    const from = writer.events.length
    writeFileSync(join(source, `alone-${i}`), bytesOf(100_000, 40 + i))
    await writer.event('published', () => true, from)
  }
  await writer.kill('SIGKILL')
  await startShare(t, source, { bootstrap })
  await assertFollowed(t, folders)
})

test('readers follow a log that was rolled back beneath a newer state', async (t) => {
  const folders = await startWithCopy(t)
  const { bootstrap, source, own, copy } = folders
  restoreFromCopy(own, copy, 'store/db')
  await startShare(t, source, { bootstrap })
  await assertFollowed(t, folders)
})

test('a writer refuses a restored log until --moved declares it the only one', async (t) => {
  const folders = await startWithCopy(t)
  const { bootstrap, source, own, copy } = folders
  rmSync(own, { recursive: true })
  cpSync(copy, own, { recursive: true, preserveTimestamps: true })
  const refused = start(t, ['share', source], { bootstrap })
  t.is(await refused.exit(), 15)
  matches(t, refused.stderr, /^p2psync: The store .* was copied or restored .*give --moved \[STORE_COPIED\]\n$/)

  const writer = await startShare(t, source, { bootstrap, args: ['--moved'] })
  await assertFollowed(t, folders)
  await writer.kill('SIGTERM')
  await startShare(t, source, { bootstrap })
  await assertFollowed(t, folders)
})

test('a copied mirror works beside the original', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const copy = `${mirror}-copy`
  writeFileSync(join(source, 'first'), bytesOf(300_000, 1))
  const writer = await startShare(t, source, { bootstrap })
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  // With exact times, which Node's own copy rounds.
  execFileSync('cp', ['-a', mirror, copy])

  const readers: Command[] = [mirror, copy].map((at) => startClone(t, writer.key, at, { bootstrap }))
  writeFileSync(join(source, 'second'), bytesOf(300_000, 2))
  await waitUntilEqual(t, source, mirror)
  await waitUntilEqual(t, source, copy)
  // Each has a peer identity of its own.
  const peers = writer.events.flatMap((event) => (event.type === 'peer' ? [event.peer] : []))
  t.is(new Set(peers).size, 2)
  t.absent(readers.some(({ events }) => events.some(({ type }) => type === 'error' || type === 'problem')))
})

test('a mirror that lost its device file continues', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), await t.tmp()]
  writeFileSync(join(source, 'first'), 'first')
  const writer = await startShare(t, source, { bootstrap })
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  const deviceFile = join(mirror, '.p2psync/store/CORESTORE')
  renameSync(deviceFile, join(await t.tmp(), 'CORESTORE'))
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  t.ok(existsSync(deviceFile))
})

test('after a restart of the writer, readers inspect only changed paths', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (let i = 0; i < 200; i++) writeFileSync(join(source, `f${i}`), `${i}`)
  let writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap, env: { NODE_DEBUG: 'p2psync:mirror' } })
  await waitUntilEqual(t, source, mirror)
  for (const content of ['one', 'two']) {
    t.is(await writer.kill('SIGTERM'), 130)
    const before = reader.stderr.length
    writer = await startShare(t, source, { bootstrap })
    writeFileSync(join(source, 'f7'), content)
    await waitUntilEqual(t, source, mirror)
    const counts = () =>
      [...reader.stderr.slice(before).matchAll(/(\d+) paths to plan for/g)].map(([, count]) => Number(count))
    const planned = await until(() => counts().length > 0 && counts(), { what: 'the report of a pass' })
    t.ok(
      planned.every((count) => count < 10),
      `paths inspected: ${planned.join(', ')}`
    )
  }
})
