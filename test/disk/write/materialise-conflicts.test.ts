import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { test } from 'brittle'
import type { Step } from '../../../src/tree/plan.ts'
import { directoryOf } from '../../support/entries.ts'
import { step } from '../../support/failpoints.ts'
import { Workshop } from '../../support/materialise.ts'

/** Root writes where its mode forbids it. */
const isRoot = process.getuid?.() === 0

const kinds = {
  file: { make: (at: string) => writeFileSync(at, 'was'), steps: [step.file('x', 'is')], is: { x: 'is' } },
  symlink: { make: (at: string) => symlinkSync('was', at), steps: [step.symlink('x', 'is')], is: { x: '-> is' } },
  directory: {
    make: (at: string) => {
      mkdirSync(at)
      writeFileSync(`${at}/child`, 'was')
    },
    steps: [step.directory('x'), step.file('x/new', 'is')],
    is: { x: '/', 'x/new': 'is' }
  }
} as const
type Kind = keyof typeof kinds
const allKinds = Object.keys(kinds) as readonly Kind[]

for (const was of allKinds) {
  for (const is of allKinds) {
    const removals: readonly Step[] = was === 'directory' ? [step.remove('x/child', 'was')] : []
    test(`a ${was} makes way for a ${is}`, async (t) => {
      const shop = await Workshop.open(t)
      shop.has('is')
      kinds[was].make(shop.at('x'))
      const outcome = await shop.run([...kinds[is].steps, ...removals])
      t.alike(outcome.problems.list, [])
      t.alike(outcome.changedMeanwhile, [])
      t.alike(shop.tree(), kinds[is].is)
      t.alike(shop.staged(), [])
    })

    if (was === 'directory' && is === 'directory') continue // They never stand against each other.
    test(`an edited ${was} is kept aside when a ${is} takes its path`, async (t) => {
      const shop = await Workshop.open(t)
      shop.has('is')
      kinds[was].make(shop.at('x'))
      const outcome = await shop.run(kinds[is].steps, { conflicts: ['x'] })
      const keptAs = 'x.conflict-20240506-070809-host'
      t.alike(outcome.conflicts, [['x', keptAs]])
      const tree = shop.tree()
      const kept = was === 'directory' ? readFileSync(shop.at(`${keptAs}/child`), 'utf8') : tree[keptAs]
      t.is(kept, was === 'symlink' ? '-> was' : 'was')
      for (const [path, what] of Object.entries(kinds[is].is)) t.is(tree[path], what)
    })
  }
}

test('a directory that makes way for a file is kept aside with the files that the user has in it', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('is')
  kinds.directory.make(shop.at('x'))
  writeFileSync(shop.at('x/mine'), 'mine')
  const outcome = await shop.run([step.file('x', 'is'), step.remove('x/child', 'was')])
  const keptAs = 'x.conflict-20240506-070809-host'
  t.alike(shop.tree(), { x: 'is', [keptAs]: '/', [`${keptAs}/mine`]: 'mine' })
  t.alike(outcome.conflicts, [['x', keptAs]])
})

test('a conflict copy gets a free name', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('is')
  writeFileSync(shop.at('notes.txt'), 'edit')
  const taken = 'notes.conflict-20240506-070809-host.txt'
  writeFileSync(shop.at(taken), 'earlier')
  symlinkSync('nowhere', shop.at('notes.conflict-20240506-070809-host-2.txt'))
  const outcome = await shop.run([step.file('notes.txt', 'is')], { conflicts: ['notes.txt'] })
  const third = 'notes.conflict-20240506-070809-host-3.txt'
  t.alike(outcome.conflicts, [['notes.txt', third]])
  t.is(shop.tree()[third], 'edit')
  t.is(shop.tree()[taken], 'earlier')
  t.is(shop.tree()['notes.txt'], 'is')
})

test('the link at a path is replaced, and what it points to is untouched', async (t) => {
  const shop = await Workshop.open(t)
  const outside = await t.tmp()
  shop.has('is')
  writeFileSync(`${outside}/secret`, 'secret')
  chmodSync(`${outside}/secret`, 0o640)
  const before = lstatSync(`${outside}/secret`)
  symlinkSync(`${outside}/secret`, shop.at('file'))
  symlinkSync(outside, shop.at('directory'))
  const outcome = await shop.run([step.file('file', 'is'), step.directory('directory', { mode: 0o700 })])
  t.alike(shop.tree(), { directory: '/', file: 'is' })
  t.alike(outcome.problems.list, [])
  const after = lstatSync(`${outside}/secret`)
  t.alike([after.mtimeMs, after.ctimeMs, after.mode], [before.mtimeMs, before.ctimeMs, before.mode])
  t.alike(readdirSync(outside), ['secret'])
})

test('nothing is written, moved or removed through a link in place of a directory', async (t) => {
  const shop = await Workshop.open(t)
  const outside = await t.tmp()
  shop.has('is')
  for (const name of ['one', 'two', 'three']) writeFileSync(`${outside}/${name}`, 'x')
  mkdirSync(shop.at('a'))
  for (const name of ['one', 'two', 'three']) writeFileSync(shop.at(`a/${name}`), 'x')
  const meanwhile = () => {
    renameSync(shop.at('a'), shop.at('moved'))
    symlinkSync(outside, shop.at('a'))
  }
  const steps = [
    step.directory('a/new'),
    step.move('a/two', 'b', 'x'),
    step.file('a/file', 'is'),
    step.file('a/three', 'is'),
    step.metadata('a/three', 'x', { mode: 0o600 }),
    step.remove('a/one', 'x')
  ]
  const outcome = await shop.run(steps, { meanwhile, directories: { a: directoryOf({ mode: 0o700 }) } })
  t.alike(readdirSync(outside).sort(), ['one', 'three', 'two'])
  t.alike(
    readdirSync(outside).map((name) => readFileSync(`${outside}/${name}`, 'utf8')),
    ['x', 'x', 'x']
  )
  t.ok(outcome.problems.paths.includes('a/file'))
  t.is(shop.tree()['moved/three'], 'x')
  t.alike(shop.staged(), [])
})

const meanwhiles: readonly (readonly [what: string, steps: readonly Step[], change: (at: string) => void])[] = [
  ['appended to', [step.file('x', 'is')], (at) => appendFileSync(at, '!')],
  ['replaced by a link', [step.file('x', 'is')], (at) => replace(at, () => symlinkSync('was', at))],
  ['replaced by a directory', [step.file('x', 'is')], (at) => replace(at, () => mkdirSync(at))],
  ['deleted', [step.file('x', 'is')], (at) => unlinkSync(at)],
  ['appended to where a directory is wanted', [step.directory('x')], (at) => appendFileSync(at, '!')],
  ['appended to though it is to be removed', [step.remove('x', 'was')], (at) => appendFileSync(at, '!')],
  ['replaced though it is to be removed', [step.remove('x', 'was')], (at) => replace(at, () => mkdirSync(at))]
]

function replace(at: string, make: () => void): void {
  rmSync(at)
  make()
}

for (const [what, steps, change] of meanwhiles) {
  test(`a file that was meanwhile ${what} is left alone, and told`, async (t) => {
    const shop = await Workshop.open(t)
    shop.has('is')
    shop.has('other')
    writeFileSync(shop.at('x'), 'was')
    let changed: Record<string, string> = {}
    const meanwhile = () => {
      change(shop.at('x'))
      changed = shop.tree()
    }
    const outcome = await shop.run([...steps, step.file('other', 'other')], { meanwhile })
    t.alike(outcome.changedMeanwhile, ['x'])
    t.alike(outcome.problems.list, [])
    t.alike(shop.tree(), { ...changed, other: 'other' })
    t.alike([...outcome.applied.put.keys(), ...outcome.applied.removed], ['other'])
    t.alike(shop.staged(), [])
  })
}

test('a file that appeared at a path meanwhile is left alone', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('is')
  writeFileSync(shop.at('from'), 'moved')
  const meanwhile = () => {
    for (const name of ['file', 'directory', 'to']) writeFileSync(shop.at(name), 'mine')
  }
  const steps = [step.directory('directory'), step.move('from', 'to', 'moved'), step.file('file', 'is')]
  const outcome = await shop.run(steps, { meanwhile })
  t.alike(shop.tree(), { directory: 'mine', file: 'mine', from: 'moved', to: 'mine' })
  for (const path of ['directory', 'to', 'file']) t.ok(outcome.changedMeanwhile.includes(path), path)
})

// Skipped for root, to whom every directory is writable.
test('a read-only directory of the log is widened for a write, then restored', { skip: isRoot }, async (t) => {
  const shop = await Workshop.open(t)
  shop.has('is')
  mkdirSync(shop.at('a'))
  writeFileSync(shop.at('a/old'), 'x')
  chmodSync(shop.at('a'), 0o555)
  t.teardown(() => chmodSync(shop.at('a'), 0o700), { order: 0 })
  const directories = { a: directoryOf({ mode: 0o555 }) }
  const steps = [step.directory('a/b', { mode: 0o555 }), step.file('a/b/c', 'is'), step.file('a/new', 'is')]
  const outcome = await shop.run([...steps, step.remove('a/old', 'x')], { directories })
  t.teardown(() => chmodSync(shop.at('a/b'), 0o700), { order: 0 })
  t.alike(outcome.problems.list, [])
  t.alike(shop.tree(), { a: '/', 'a/b': '/', 'a/b/c': 'is', 'a/new': 'is' })
  t.is(lstatSync(shop.at('a')).mode & 0o777, 0o555)
  t.is(lstatSync(shop.at('a/b')).mode & 0o777, 0o555)
})
