import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { VerifyEvent } from '../../src/index.ts'
import { Dice } from '../simulation/edits.ts'
import { seedsWith } from '../simulation/seeds.ts'
import { flipBit, storedBlocks } from '../support/bit-flips.ts'
import { bytesOf } from '../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../support/cli.ts'
import { canMount, diskMount } from '../support/mount.ts'
import { says } from '../support/says.ts'
import { differences, snapshot } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { test } from '../support/together.ts'

type Of<T extends VerifyEvent['type']> = Extract<VerifyEvent, { type: T }>

function eventsOf<T extends VerifyEvent['type']>({ events }: Command, type: T): Of<T>[] {
  return (events as readonly unknown[] as readonly VerifyEvent[]).filter((event) => event.type === type) as Of<T>[]
}

function endOf(command: Command): Of<'verified'> {
  const [end] = eventsOf(command, 'verified')
  if (end === undefined) throw new Error(`No end\n${command.stderr}`)
  return end
}

const nameOf = (event: Of<'damaged' | 'repaired' | 'unrepaired'>) =>
  event.what === 'file' ? event.path : event.what === 'block' ? `${event.core} ${event.block}` : event.what

async function verify(t: Assert, folder: string, bootstrap: string, ...args: string[]) {
  // DEBUG
  const command = start(t, ['verify', folder, '--json', ...args], { bootstrap })
  const status = await command.exit().catch((e) => { t.comment(JSON.stringify((command.events as unknown as VerifyEvent[]).filter((e) => e.type === 'unrepaired' || (e.type === 'damaged' && e.what === 'block'))), command.stderr); throw e })
  for (const e of eventsOf(command, 'unrepaired').slice(0,5)) t.comment(JSON.stringify(e))
  t.comment(command.stderr.slice(0,800))
  t.absent(/\n {4}at |UNEXPECTED/.test(command.stderr + command.stdout), 'no stack trace')
  return { status, command, damaged: eventsOf(command, 'damaged'), end: endOf(command) }
}

const small = Array.from({ length: 60 }, (_, i) => ({ path: `dir-${i % 3}/small-${i}`, bytes: 3000 + i * 100 }))
const middle = Array.from({ length: 60 }, (_, i) => ({ path: `dir-${i % 3}/middle-${i}`, bytes: 130_000 + i * 1000 }))
const large = Array.from({ length: 3 }, (_, i) => ({ path: `large-${i}`, bytes: 3_000_000 }))
const all = [...small, ...middle, ...large]

/** A source and a mirror of it, the source at work and the mirror not. */
async function startPair(t: Assert, mirror?: string) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  for (let i = 0; i < 3; i++) mkdirSync(join(source, `dir-${i}`))
  for (const [i, { path, bytes }] of all.entries()) writeFileSync(join(source, path), bytesOf(bytes, i + 1))
  const at = mirror ?? join(await t.tmp(), 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  const args = mirror === undefined ? ['--once'] : ['--once', '--adopt']
  t.is(await startClone(t, writer.key, at, { bootstrap, args }).exit(), 0)
  return { bootstrap, source, mirror: at, writer, store: join(at, '.p2psync/store') }
}

/** Files of these sizes aren't compressed: their blocks hold them as they are. */
function liveBlocks(store: string, source: string) {
  const contents = all.map(({ path }) => readFileSync(join(source, path)))
  return storedBlocks(store).filter(({ bytes }) =>
    contents.some((content) => bytes.includes(content.subarray(0, 64)) || content.includes(bytes.subarray(0, 64)))
  )
}

function removeConflicts(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.conflict-'))
  for (const name of names) rmSync(join(folder, name))
  return names.length
}

for (const seed of seedsWith(1)) {
  test(`each of 100 bit flips in a mirror and its store is found and mended, seed ${seed}`, async (t) => {
    const { bootstrap, source, mirror, store } = await startPair(t)
    const dice = new Dice(seed)
    const names = new Set<string>()
    const files = [...all]
    for (let i = 0; i < 50; i++) {
      const [file] = files.splice(dice.roll(files.length), 1) as [(typeof all)[number]]
      flipBit(join(mirror, file.path), dice.roll(file.bytes), dice.roll(8))
      names.add(file.path)
    }
    const blocks = liveBlocks(store, source)
    for (let i = 0; i < 50; i++) {
      const [block] = blocks.splice(dice.roll(blocks.length), 1)
      if (block === undefined) throw new Error('There are not enough blocks')
      flipBit(block.file, block.at + dice.roll(block.bytes.length), dice.roll(8))
      names.add(`content ${block.index}`)
    }
    t.is(names.size, 100)
    const rotten = snapshot(mirror)

    const found = await verify(t, mirror, bootstrap)
    t.is(found.status, 15)
    t.alike(found.damaged.map(nameOf).sort(), [...names].sort(), 'each is named')
    t.alike(snapshot(mirror), rotten, 'nothing was touched')

    const mended = await verify(t, mirror, bootstrap, '--repair')
    t.is(mended.status, 0)
    t.alike(eventsOf(mended.command, 'repaired').map(nameOf).sort(), [...names].sort(), 'each is mended')
    t.alike([mended.end.damaged, mended.end.repaired, mended.end.left], [100, 100, 0])
    t.is(removeConflicts(mirror), 50, 'their ctime had changed too: what they held is kept')
    t.alike(differences(source, mirror, { directoryTimes: false }), [])

    const again = await verify(t, mirror, bootstrap)
    t.is(again.status, 0)
    t.alike([again.damaged, again.end.diverged, again.end.unclear], [[], 0, 0])
    t.is(again.end.files, all.length)
  })
}
