import { readdirSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { snapshot, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

const contentBytes = 60 * 100_000

/** A source and its mirror, both stopped cleanly. */
async function startEnded(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), await t.tmp()]
  for (let i = 0; i < 60; i++) writeFileSync(join(source, `file-${i}`), bytesOf(100_000, i))
  const writer = await startShare(t, source, { bootstrap })
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await writer.kill('SIGTERM')
  return { bootstrap, source, mirror, key: writer.key }
}

function filesOf(directory: string, pattern: RegExp): string[] {
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .map((name) => join(directory, name))
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  for (let at = 20; at < bytes.length; at += 500) bytes[at] = (bytes[at] as number) ^ 0x55
  writeFileSync(path, bytes)
}

type Damage = (db: string) => void

const flipTables: Damage = (db) => filesOf(db, /sst$/).forEach(flip)
const flipBlocks: Damage = (db) => filesOf(db, /blob$/).forEach(flip)
const flipManifest: Damage = (db) => filesOf(db, /^MANIFEST/).forEach(flip)
const loseBlocks: Damage = (db) => {
  for (const path of filesOf(db, /blob$/)) unlinkSync(path)
}
const loseCurrent: Damage = (db) => {
  unlinkSync(join(db, 'CURRENT'))
}
const cutTables: Damage = (db) => {
  for (const path of filesOf(db, /sst$/)) truncateSync(path, 100)
}

function isCalm(t: Assert, { stdout, stderr }: Command): void {
  t.absent(/\n {4}at |UNEXPECTED/.test(stderr + stdout), 'no stack trace')
  if (/\n {4}at |UNEXPECTED/.test(stderr + stdout)) t.comment((stderr + stdout).slice(0, 3000))
}

for (const [what, damage] of [
  ['whose tables are flipped', flipTables],
  ['whose blocks are missing', loseBlocks],
  ['whose CURRENT is missing', loseCurrent]
] as const) {
  test(`a source with a store ${what} stops as damaged`, async (t) => {
    const { bootstrap, source, key } = await startEnded(t)
    damage(join(source, '.p2psync/store/db'))
    const before = snapshot(source)
    const writer = start(t, ['share', source], { bootstrap })
    // Blocks are read when a peer requests them.
    const reader = startClone(t, key, await t.tmp(), { bootstrap })
    t.is(await writer.exit(), 15)
    matches(t, writer.stderr, /damaged|can't be opened/)
    matches(t, writer.stderr, /backup and give --moved.* \[DAMAGED\]\n/)
    t.is(writer.stderr.split('[DAMAGED]').length, 2, 'the error is printed once')
    isCalm(t, writer)
    t.alike(snapshot(source), before, 'the files are unchanged')
    t.absent(reader.events.some(({ type }) => type === 'error' || type === 'conflict'))
  })
}

for (const [what, damage] of [
  ['whose manifest is flipped', flipManifest],
  ['whose tables are truncated', cutTables]
] as const) {
  test(`a mirror with a store ${what} can be rebuilt without fetching content that it has`, async (t) => {
    const { bootstrap, source, mirror, key } = await startEnded(t)
    damage(join(mirror, '.p2psync/store/db'))
    const writer = await startShare(t, source, { bootstrap })
    const damaged = start(t, ['clone', key, mirror], { bootstrap })
    t.is(await damaged.exit(), 15)
    matches(t, damaged.stderr, /Give --rebuild .* \[DAMAGED\]\n$/)
    isCalm(t, damaged)
    writeFileSync(join(source, 'new'), 'new')
    writeFileSync(join(mirror, 'own'), 'own')
    const rebuilt = startClone(t, writer.key, mirror, { bootstrap, args: ['--rebuild', '--once'] })
    t.is(await rebuilt.exit(), 0)
    rmSync(join(mirror, 'own'))
    await waitUntilEqual(t, source, mirror)
    const fetched = rebuilt.events.reduce((most, event) => {
      return event.type === 'progress' && event.phase === 'fetch' ? Math.max(most, event.bytes) : most
    }, 0)
    t.ok(fetched < 1000, `${fetched} bytes of content were fetched of ${contentBytes}`)
    t.ok(readdirSync(join(mirror, '.p2psync')).includes('store.damaged-1'), 'the damaged store is kept')
    isCalm(t, rebuilt)
  })
}

for (const [what, damage] of [
  ['whose tables are flipped', flipTables],
  ['whose CURRENT is missing', loseCurrent]
] as const) {
  test(`a state ${what} is rebuilt`, async (t) => {
    const { bootstrap, source, mirror, key } = await startEnded(t)
    damage(join(source, '.p2psync/state'))
    damage(join(mirror, '.p2psync/state'))
    const writer = await startShare(t, source, { bootstrap })
    const reader = startClone(t, key, mirror, { bootstrap })
    writeFileSync(join(source, 'new'), 'new')
    await waitUntilEqual(t, source, mirror)
    for (const command of [writer, reader]) {
      isCalm(t, command)
      t.absent(command.events.some(({ type }) => type === 'error' || type === 'conflict' || type === 'problem'))
    }
  })
}

test('a source whose blocks are damaged while it runs stops, and publishes none of them', async (t) => {
  const { bootstrap, source, key } = await startEnded(t)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  flipBlocks(join(source, '.p2psync/store/db'))
  const mirror = await t.tmp()
  const reader = startClone(t, key, mirror, { bootstrap })
  t.is(await writer.exit(), 15)
  t.is(writer.events.filter((event) => event.type === 'error').length, 1, 'the error is reported once')
  isCalm(t, writer)
  t.absent(reader.events.some(({ type }) => type === 'error' || type === 'conflict'))
})

test('a mirror whose blocks are damaged while it runs stops', async (t) => {
  const { bootstrap, source, mirror, key } = await startEnded(t)
  const reader = startClone(t, key, mirror, { bootstrap })
  await reader.event('ready')
  flipBlocks(join(mirror, '.p2psync/store/db'))
  const other = startClone(t, key, await t.tmp(), { bootstrap })
  t.is(await reader.exit(), 15)
  t.is(reader.events.filter((event) => event.type === 'error').length, 1, 'the error is reported once')
  isCalm(t, reader)
  // Peers that have the content serve it.
  await startShare(t, source, { bootstrap })
  await other.event('in-sync')
})
