import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { VerifyEvent } from '../../../src/index.ts'
import { Dice } from '../../simulation/edits.ts'
import { seedsWith } from '../../simulation/seeds.ts'
import { flipBit, storedBlocks } from '../../support/bit-flips.ts'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { canMount, diskMount } from '../../support/mount.ts'
import { says } from '../../support/says.ts'
import { differences, snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

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
  const command = start(t, ['verify', folder, '--json', ...args], { bootstrap })
  const status = await command.exit()
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
  for (const [i, { path, bytes }] of all.entries()) writeFileSync(join(source, path), bytesOf(bytes, 2 * i + 1))
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

/** Flips bits of a disk, of which the file system on it learns nothing. */
function rot(image: string, contents: readonly Buffer[]): void {
  const disk = readFileSync(image)
  for (const content of contents) {
    // Wherever it is: in its file, and in the store.
    for (let at = disk.indexOf(content.subarray(0, 64)); at >= 0; at = disk.indexOf(content.subarray(0, 64), at + 1)) {
      flipBit(image, at + 100, 3)
    }
  }
}

test('what only a disk has changed is mended, and nothing of it kept', { skip: !canMount }, async (t) => {
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
  const mended = await verify(t, mirror, bootstrap, '--repair')
  t.is(mended.status, 0)
  const files = mended.damaged.filter(({ what }) => what === 'file')
  t.alike(files.map(nameOf).sort(), paths)
  t.ok(
    files.every(({ message }) => /nothing else of it/.test(message)),
    'it is known for what it is'
  )
  t.is(removeConflicts(mirror), 0)
  t.alike(differences(source, mirror), [])
  t.is((await verify(t, mirror, bootstrap)).status, 0)
})

/** Damages every one of some files of a store's database, somewhere in the middle. */
const damages: ReadonlyArray<[what: string, damage: (db: string) => void]> = [
  ['whose tables rot', (db) => flipIn(db, /sst$/, 0.3)],
  ["whose tables' indexes rot", (db) => flipIn(db, /sst$/, 0.999)],
  ['whose manifest rots', (db) => flipIn(db, /^MANIFEST/, 0.5)],
  ['whose CURRENT rots', (db) => flipIn(db, /^CURRENT/, 0)]
]

function flipIn(db: string, names: RegExp, share: number): void {
  for (const name of readdirSync(db)) {
    if (!names.test(name)) continue
    const { size } = statSync(join(db, name))
    flipBit(join(db, name), Math.floor(size * share), 2)
  }
}

for (const [what, damage] of damages) {
  test(`a mirror with a store ${what} is verified all the same, and its log is fetched anew`, async (t) => {
    const { bootstrap, source, mirror, store } = await startPair(t)
    damage(join(store, 'db'))
    flipBit(join(mirror, 'large-1'), 2_000_000, 1)
    flipBit(join(mirror, 'dir-0/small-0'), 20, 1)
    const found = await verify(t, mirror, bootstrap)
    t.is(found.status, 15)
    const names = new Set(found.damaged.map(nameOf))
    t.alike([...names].sort(), ['dir-0/small-0', 'large-1', 'store'])
    const mended = await verify(t, mirror, bootstrap, '--repair')
    t.is(mended.status, 0)
    t.is(mended.end.left, 0)
    t.is(removeConflicts(mirror), 2)
    t.alike(differences(source, mirror), [])
    const again = await verify(t, mirror, bootstrap)
    t.is(again.status, 0)
    t.alike([again.damaged, again.end.diverged], [[], 0])
  })
}

test('with no peer in time nothing is lost, and it is said what is left', async (t) => {
  const { bootstrap, mirror, writer, store, source } = await startPair(t)
  await writer.kill('SIGTERM')
  const [block] = liveBlocks(store, source)
  if (block === undefined) throw new Error('No block')
  flipBit(block.file, block.at + 10, 1)
  flipBit(join(mirror, 'large-0'), 1_500_000, 1)
  flipBit(join(mirror, 'dir-0/small-0'), 20, 1)
  const rotten = snapshot(mirror)
  const tried = await verify(t, mirror, bootstrap, '--repair', '--timeout', '1s')
  t.is(tried.status, 15)
  const left = eventsOf(tried.command, 'unrepaired').map(nameOf).sort()
  t.alike(left.includes('large-0') && left.includes(`content ${block.index}`), true, left.join(' '))
  t.is(snapshot(mirror).get('large-0'), rotten.get('large-0'))
  // What the store has of it, it needs nobody for.
  const isInThere = left.includes('dir-0/small-0')
  t.is(snapshot(mirror).get('dir-0/small-0') === rotten.get('dir-0/small-0'), isInThere)

  const broken = join(store, 'db')
  flipIn(broken, /sst$/, 0.999)
  const inVain = await verify(t, mirror, bootstrap, '--repair', '--timeout', '1s')
  t.is(inVain.status, 15)
  t.alike(
    readdirSync(join(mirror, '.p2psync')).filter((name) => name.startsWith('store')),
    ['store'],
    'the store is back'
  )
})

test('a source is mended by its mirror, and publishes nothing of the damage', async (t) => {
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
  const mended = await verify(t, source, bootstrap, '--repair')
  t.is(mended.status, 0)
  t.alike(eventsOf(mended.command, 'repaired').map(nameOf).sort(), left.sort())
  t.is(removeConflicts(source), 3)
  t.alike(snapshot(source), before)
  t.is((await verify(t, source, bootstrap)).status, 0)
  const scan = start(t, ['scan', source, '--json'], { bootstrap })
  t.is(await scan.exit(), 0)
  // The times of directories changed, and nothing else.
  t.absent(scan.events.some((event) => event.type === 'published' && (event.puts > 3 || event.stored > 0)))
})

test('a mirror that remembers nothing is compared with its log', async (t) => {
  const { bootstrap, source, mirror } = await startPair(t)
  rmSync(join(mirror, '.p2psync/state'), { recursive: true })
  flipBit(join(mirror, 'large-1'), 2_000_000, 1)
  const found = await verify(t, mirror, bootstrap)
  t.is(found.status, 15)
  t.alike(found.damaged.map(nameOf), ['state', 'large-1'])
  const mended = await verify(t, mirror, bootstrap, '--repair')
  t.is(mended.status, 0)
  t.is(removeConflicts(mirror), 1)
  t.alike(differences(source, mirror), [])
  t.is((await verify(t, mirror, bootstrap)).status, 0)
})

test('what a user changed is no damage', async (t) => {
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

test('a sample reads as much as was asked for', async (t) => {
  const { bootstrap, mirror } = await startPair(t)
  const { status, end } = await verify(t, mirror, bootstrap, '--sample', '20%')
  t.is(status, 0)
  const whole = all.reduce((sum, { bytes }) => sum + bytes, 0)
  t.is(end.bytesTotal, whole)
  // The last file that is read may go beyond it.
  t.ok(end.bytes >= 0.19 * whole && end.bytes < 0.2 * whole + 3_000_000, `${end.bytes} of ${whole}`)
  t.ok(end.blocks > 0 && end.blocks < 0.6 * end.blocksTotal, `${end.blocks} of ${end.blocksTotal}`)
  for (const bad of ['0', '101%', 'half']) {
    t.is(await start(t, ['verify', mirror, '--sample', bad]).exit(), 2)
  }
})

test('verify says what it finds in words, also while the folder is at work', async (t) => {
  const { bootstrap, source, mirror } = await startPair(t)
  const busy = start(t, ['verify', source], { bootstrap })
  t.is(await busy.exit(), 0)
  says(t, busy.stderr, /: nothing is damaged\n$/)
  const sound = start(t, ['verify', mirror], { bootstrap })
  t.is(await sound.exit(), 0)
  says(t, sound.stderr, /^Read 123 files \([\d.]+ MB\) and \d+ blocks \([\d.]+ MB\): nothing is damaged\n$/)
  t.is(sound.stdout, '')
  flipBit(join(mirror, 'large-1'), 5, 5)
  const found = start(t, ['verify', mirror], { bootstrap })
  t.is(await found.exit(), 15)
  says(t, found.stderr, /^damaged: large-1: Its bytes are not .*\nRead .*: 1 damaged, 0 repaired\. Give --repair\n$/)
  const strange = start(t, ['verify', await t.tmp()], { bootstrap })
  t.is(await strange.exit(), 10)
})
