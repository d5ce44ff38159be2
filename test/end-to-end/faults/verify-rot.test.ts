import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Dice } from '../../simulation/edits.ts'
import { seedsWith } from '../../simulation/seeds.ts'
import { flipBit } from '../../support/bit-flips.ts'
import { differences, snapshot } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'
import { allFiles, eventsOf, liveBlocks, nameOf, removeConflicts, startPair, verify } from '../../support/verify.ts'

for (const seed of seedsWith(1)) {
  test(`each of 100 bit flips in a mirror and its store is found and repaired, seed ${seed}`, async (t) => {
    const { bootstrap, source, mirror, store } = await startPair(t)
    const dice = new Dice(seed)
    const names = new Set<string>()
    const files = [...allFiles]
    for (let i = 0; i < 50; i++) {
      const [file] = files.splice(dice.roll(files.length), 1) as [(typeof allFiles)[number]]
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
    t.alike(found.damaged.map(nameOf).sort(), [...names].sort(), 'each damage is reported')
    t.alike(snapshot(mirror), rotten, 'no file was changed')

    const repaired = await verify(t, mirror, bootstrap, '--repair')
    t.is(repaired.status, 0)
    t.alike(eventsOf(repaired.command, 'repaired').map(nameOf).sort(), [...names].sort(), 'each damage is repaired')
    t.alike([repaired.end.damaged, repaired.end.repaired, repaired.end.left], [100, 100, 0])
    t.is(removeConflicts(mirror), 50, 'their ctime had changed too: the replaced content is kept')
    t.alike(differences(source, mirror, { directoryTimes: false }), [])

    const again = await verify(t, mirror, bootstrap)
    t.is(again.status, 0)
    t.alike([again.damaged, again.end.diverged, again.end.unclear], [[], 0, 0])
    t.is(again.end.files, allFiles.length)
  })
}

/** Ways to damage all files of one kind in a store's database. */
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
  test(`a mirror with a store ${what} is verified nevertheless, and its log is fetched anew`, async (t) => {
    const { bootstrap, source, mirror, store } = await startPair(t)
    damage(join(store, 'db'))
    flipBit(join(mirror, 'large-1'), 2_000_000, 1)
    flipBit(join(mirror, 'dir-0/small-0'), 20, 1)
    const found = await verify(t, mirror, bootstrap)
    t.is(found.status, 15)
    const names = new Set(found.damaged.map(nameOf))
    t.alike([...names].sort(), ['dir-0/small-0', 'large-1', 'store'])
    const repaired = await verify(t, mirror, bootstrap, '--repair')
    t.is(repaired.status, 0)
    t.is(repaired.end.left, 0)
    t.is(removeConflicts(mirror), 2)
    t.alike(differences(source, mirror), [])
    const again = await verify(t, mirror, bootstrap)
    t.is(again.status, 0)
    t.alike([again.damaged, again.end.diverged], [[], 0])
  })
}

test('without a peer before the timeout nothing is lost, and the remaining damage is reported', async (t) => {
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
  // Content that the store holds is repaired without a peer.
  const isInThere = left.includes('dir-0/small-0')
  t.is(snapshot(mirror).get('dir-0/small-0') === rotten.get('dir-0/small-0'), isInThere)

  const broken = join(store, 'db')
  flipIn(broken, /sst$/, 0.999)
  const inVain = await verify(t, mirror, bootstrap, '--repair', '--timeout', '1s')
  t.is(inVain.status, 15)
  t.alike(
    readdirSync(join(mirror, '.p2psync')).filter((name) => name.startsWith('store')),
    ['store'],
    'the store is in its place again'
  )
})
