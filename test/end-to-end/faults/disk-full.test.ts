import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { freePort } from '../../support/free-port.ts'
import { patientTimeout } from '../../support/hang.ts'
import { noLoopDevices, type SmallDisk, smallDisk } from '../../support/loop-device.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const needsDisks = { skip: noLoopDevices !== false }

function fill(directory: string, prefix: string, files: number): void {
  mkdirSync(directory, { recursive: true })
  for (let i = 0; i < files; i++)
    writeFileSync(join(directory, `${prefix}${i}`), bytesOf(200_000, i + prefix.charCodeAt(0) * 1000))
}

const fullErrors = ({ events }: Command) =>
  events.filter((event) => event.type === 'error' && event.code === 'DISK_FULL').length

/** Asserts that a command still runs, and reported the full disk once and nothing else. */
function assertUndisturbed(t: Assert, command: Command): void {
  t.ok(command.running, 'the command still runs')
  t.is(fullErrors(command), 1, 'the full disk was reported once')
  const others = command.events.filter((event) => event.type === 'error' && event.code !== 'DISK_FULL')
  t.alike(others, [], 'no other error')
  t.absent(/\n {4}at /.test(command.stderr), 'no stack trace')
}

/** Waits until a further attempt has met the full disk: a second report would show. */
async function waitForFullDisk(command: Command, from: number): Promise<void> {
  await command.event('error', ({ code }) => code === 'DISK_FULL', from)
}

test('a mirror on a full disk keeps its files intact, and resumes when there is space', needsDisks, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const disk: SmallDisk = await smallDisk(t, 160)
  const mirror = join(disk.path, 'mirror')
  fill(source, 'a', 10)
  const writer = await startShare(t, source, { bootstrap })
  // The port has to be free again when the session is reopened.
  const args = ['--port', `${await freePort()}`]
  const reader = startClone(t, writer.key, mirror, { bootstrap, args })
  await reader.event('in-sync')

  disk.fill(1_000_000)
  const from = reader.events.length
  // More than the log has reserved for itself.
  fill(source, 'b', 100)
  await waitForFullDisk(reader, from)
  for (let i = 0; i < 10; i++) {
    t.ok(readFileSync(join(mirror, `a${i}`)).equals(readFileSync(join(source, `a${i}`))), `a${i} is complete`)
  }
  disk.empty()
  await waitUntilEqual(t, source, mirror)
  await reader.event('in-sync', () => true, from)
  assertUndisturbed(t, reader)
  const states = reader.events.flatMap((event) => (event.type === 'peer' ? [event.state] : []))
  const count = (state: string) => states.filter((each) => each === state).length
  t.is(count('connected'), count('disconnected') + 1, 'a peer reconnects only after it was disconnected')
  writeFileSync(join(source, 'later'), 'later')
  await waitUntilEqual(t, source, mirror)
})

test('a source whose log is on a full disk resumes when there is space', needsDisks, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = await t.tmp()
  const disk = await smallDisk(t, 80)
  const args = ['--state', join(disk.path, 'state')]
  fill(source, 'a', 10)
  const writer = await startShare(t, source, { bootstrap, args })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)

  disk.fill(500_000)
  fill(source, 'b', 90)
  await waitForFullDisk(writer, 0)
  disk.empty()
  await waitUntilEqual(t, source, mirror)
  assertUndisturbed(t, writer)
  t.absent(reader.events.some(({ type }) => type === 'error' || type === 'conflict' || type === 'problem'))

  const fresh = await t.tmp()
  t.is(await startClone(t, writer.key, fresh, { bootstrap, args: ['--once'] }).exit(), 0)
  await waitUntilEqual(t, source, fresh)
})

test(
  'a source killed on a full disk reports the disk when it starts, and resumes when there is space',
  needsDisks,
  async (t) => {
    const { text: bootstrap } = await startTestnet(t)
    const disk = await smallDisk(t, 128)
    const source = join(disk.path, 'source')
    const mirror = await t.tmp()
    fill(source, 'a', 10)
    const writer = await startShare(t, source, { bootstrap })
    const reader = startClone(t, writer.key, mirror, { bootstrap })
    await waitUntilEqual(t, source, mirror)
    // Space for the files, but not for their log as well.
    disk.fill(32_000_000)
    fill(source, 'b', 150)
    await until(() => fullErrors(writer) > 0, { what: 'the report of the full disk' })
    await writer.kill('SIGKILL')
    disk.fill(0)

    const early = start(t, ['share', source], { bootstrap })
    t.is(await early.exit(), 1)
    matches(t, early.stderr, /^p2psync: No space left on the disk of .* \[DISK_FULL\]\n$/)
    disk.empty()
    await startShare(t, source, { bootstrap })
    await waitUntilEqual(t, source, mirror)
    t.absent(reader.events.some(({ type }) => type === 'error' || type === 'conflict' || type === 'problem'))
  }
)

test('clone --once gives up on a full disk at its timeout', needsDisks, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  fill(source, 'a', 100)
  const disk = await smallDisk(t, 32)
  const writer = await startShare(t, source, { bootstrap })
  // Enough to find the source even on a busy machine; the rest is spent waiting.
  const args = ['--once', '--timeout', '20s']
  const reader = startClone(t, writer.key, join(disk.path, 'mirror'), { bootstrap, args })
  t.is(await reader.exit(), 1)
  matches(t, reader.stderr, /\[DISK_FULL\]/)
  t.absent(/\n {4}at /.test(reader.stderr), 'no stack trace')
})

test('clone --once resumes if there is space before its timeout', needsDisks, async (t) => {
  const source = await t.tmp()
  fill(source, 'a', 100)
  const disk = await smallDisk(t, 128)
  const writer = await startShare(t, source, { bootstrap: 'none' })
  await writer.event('up-to-date')
  // Enough to start with.
  disk.fill(30_000_000)
  const args = ['--once', ...patientTimeout]
  const mirror = join(disk.path, 'mirror')
  const reader = startClone(t, writer.key, mirror, { bootstrap: 'none', args })
  await until(() => fullErrors(reader) > 0, { what: 'the report of the full disk' })
  disk.empty()
  t.is(await reader.exit(), 0)
  await waitUntilEqual(t, source, mirror)
})
