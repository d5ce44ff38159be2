import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Assert, test } from 'brittle'
import extensions from 'fs-native-extensions'
import { hashFile } from '../../../src/disk/read/read.ts'
import { scanFolder } from '../../../src/disk/read/scan.ts'
import { type Bytes, rescue } from '../../../src/disk/write/preserve.ts'
import { Staging } from '../../../src/disk/write/stage.ts'
import type { Step } from '../../../src/tree/plan.ts'
import { hashOf, pathOf } from '../../support/entries.ts'
import { step } from '../../support/failpoints.ts'
import { Workshop } from '../../support/materialise.ts'
import { until } from '../../support/until.ts'

const user = join(import.meta.dirname, '../../support/user-at-work.js')

/** Makes two paths change places all the time, in another process. @returns what ends it */
async function swapping(t: Assert, ...args: readonly [string, string]): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [user, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await until(() => lines.length > 0, { what: 'the user to begin' })
  return async () => {
    child.stdin.end()
    await once(child, 'close')
  }
}

test('a directory that is swapped for a link all the time leads nothing outside, in 10,000 tries', async (t) => {
  const shop = await Workshop.open(t)
  const outside = await t.tmp()
  shop.has('is')
  mkdirSync(shop.at('d'))
  for (let i = 0; i < 50; i++) {
    writeFileSync(join(outside, `secret${i}`), 'secret')
    writeFileSync(shop.at(`d/secret${i}`), 'our own')
  }
  symlinkSync(outside, shop.at('link'))
  const before = readdirSync(outside).sort()
  const end = await swapping(t, shop.at('d'), shop.at('link'))

  let written = 0
  let leaked = 0
  for (let tries = 0; tries < 10_000; tries += 250) {
    const names = Array.from({ length: 50 }, (_, i) => i)
    const outcome = await shop.run([
      ...names.map((i) => step.directory(`d/sub${tries}-${i}`)),
      ...names.map((i) => step.file(`d/file${tries}-${i}`, 'is')),
      ...names.map((i) => step.file(`d/secret${i}`, 'is')),
      ...names.map((i) => step.metadata(`d/secret${i}`, 'secret', { mode: 0o600 })),
      ...names.map((i) => step.remove(`d/secret${i}`, 'secret'))
    ])
    written += outcome.applied.put.size
    // What is read must be the folder's own as well.
    const { seen } = await scanFolder(shop.root)
    for (const what of seen.values()) if (what.type === 'file' && what.size === 'secret'.length) leaked++
    await hashFile(shop.root, pathOf('d/secret0')).then(
      ({ size }) => size === 'secret'.length && leaked++,
      () => {}
    )
  }
  await end()
  t.comment(`${written} of the tries met the directory`)
  t.ok(written > 0, 'the directory was there at times')
  t.is(leaked, 0, 'nothing was read through the link')
  t.alike(readdirSync(outside).sort(), before, 'nothing came or went outside')
  t.ok(
    readdirSync(outside).every((name) => readFileSync(join(outside, name), 'utf8') === 'secret'),
    'and nothing changed'
  )
})

const moments = ['swapSync', 'linkSync', 'renameSync', 'mkdirSync', 'rmdirSync'] as const
type Moment = (typeof moments)[number]

/** Lets `act` happen in the very moment before the first call of one of the system's operations from now on. */
function inTheMomentOf(moment: Moment, act: () => void): () => void {
  const owner = (moment === 'swapSync' ? extensions : fs) as unknown as Record<string, (...args: unknown[]) => unknown>
  const original = owner[moment] as (...args: unknown[]) => unknown
  const restore = () => {
    owner[moment] = original
    syncBuiltinESMExports()
  }
  owner[moment] = (...args) => {
    restore()
    act()
    return original(...args)
  }
  syncBuiltinESMExports()
  return restore
}

const sudden: readonly (readonly [
  what: string,
  moment: Moment,
  steps: readonly Step[],
  act: (shop: Workshop) => void,
  tree: Record<string, string>
])[] = [
  [
    'saved in place while it is replaced',
    'swapSync',
    [step.file('x', 'is')],
    (shop) => writeFileSync(shop.at('x'), 'mine, and longer'),
    { x: 'is', 'x.conflict-20240506-070809-host': 'mine, and longer' }
  ],
  [
    'saved by a rename while it is replaced',
    'swapSync',
    [step.file('x', 'is')],
    (shop) => saveByRename(shop, 'x'),
    { x: 'is', 'x.conflict-20240506-070809-host': 'mine' }
  ],
  [
    'replaced by a directory of the user’s while it is replaced',
    'swapSync',
    [step.file('x', 'is')],
    (shop) => {
      rmSync(shop.at('x'))
      mkdirSync(shop.at('x'))
      writeFileSync(shop.at('x/child'), 'mine')
    },
    { x: 'is', 'x.conflict-20240506-070809-host': '/', 'x.conflict-20240506-070809-host/child': 'mine' }
  ],
  [
    'made while one of that name is made',
    'linkSync',
    [step.file('new', 'is')],
    (shop) => writeFileSync(shop.at('new'), 'mine'),
    { x: 'was', new: 'mine' }
  ],
  [
    'made while a directory of that name is made',
    'mkdirSync',
    [step.directory('new')],
    (shop) => writeFileSync(shop.at('new'), 'mine'),
    { x: 'was', new: 'mine' }
  ],
  [
    'saved by a rename while it is removed',
    'renameSync',
    [step.remove('x', 'was')],
    (shop) => saveByRename(shop, 'x'),
    { x: 'mine' }
  ],
  [
    'saved in place while it is moved',
    'renameSync',
    [step.move('x', 'y', 'was')],
    (shop) => writeFileSync(shop.at('x'), 'mine, and longer'),
    { x: 'mine, and longer' }
  ],
  [
    'made where another is moved to',
    'linkSync',
    [step.move('x', 'y', 'was')],
    (shop) => writeFileSync(shop.at('y'), 'mine'),
    { x: 'was', y: 'mine' }
  ],
  [
    'saved by a rename while a directory takes its place',
    'renameSync',
    [step.directory('x')],
    (shop) => saveByRename(shop, 'x'),
    { x: 'mine' }
  ]
]

function saveByRename(shop: Workshop, name: string): void {
  writeFileSync(`${shop.root}-saved`, 'mine')
  // By another name of the call than the one that is waited for.
  extensions.swapSync(`${shop.root}-saved`, shop.at(name))
  rmSync(`${shop.root}-saved`)
}

for (const [what, moment, steps, act, tree] of sudden) {
  test(`a file that is ${what} is not lost`, async (t) => {
    const shop = await Workshop.open(t)
    shop.has('is')
    writeFileSync(shop.at('x'), 'was')
    let came = false
    let restore = () => {}
    const meanwhile = () => {
      restore = inTheMomentOf(moment, () => {
        came = true
        act(shop)
      })
    }
    t.teardown(() => restore())
    const outcome = await shop.run(steps, { meanwhile })
    t.ok(came, 'the user came in between')
    t.alike(shop.tree(), tree)
    t.alike(shop.staged(), [])
    t.alike(outcome.problems.list, [])
  })
}

test('without an exchange of names the replaced file moves aside first, and nothing is lost', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('is')
  for (const name of ['x', 'edited']) writeFileSync(shop.at(name), 'was')
  mkdirSync(shop.at('d'))
  writeFileSync(shop.at('d/mine'), 'mine')
  const original = extensions.swapSync
  const meanwhile = () => {
    extensions.swapSync = () => {
      throw Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' })
    }
  }
  t.teardown(() => {
    extensions.swapSync = original
  })
  const steps = [step.file('x', 'is'), step.file('edited', 'is'), step.file('d', 'is')]
  const outcome = await shop.run(steps, { meanwhile, conflicts: ['edited'] })
  t.alike(outcome.problems.list, [])
  t.alike(shop.tree(), {
    d: 'is',
    'd.conflict-20240506-070809-host': '/',
    'd.conflict-20240506-070809-host/mine': 'mine',
    edited: 'is',
    'edited.conflict-20240506-070809-host': 'was',
    x: 'is'
  })
  t.alike(shop.staged(), [])
})

test('what a run that was cut off has taken out of the folder is dropped only where the log knows it', async (t) => {
  const root = await t.tmp()
  const staging = new Staging(join(root, '.p2psync/staging'))
  staging.open()
  const asides = ['known', 'mine', 'link', 'my-link', 'empty', 'full'].map((name) =>
    staging.asidePath(pathOf(`d/${name}`))
  )
  const [known = '', mine = '', link = '', myLink = '', empty = '', full = ''] = asides
  writeFileSync(known, 'known')
  writeFileSync(mine, 'mine')
  symlinkSync('known', link)
  symlinkSync('mine', myLink)
  mkdirSync(empty)
  mkdirSync(full)
  writeFileSync(join(full, 'child'), 'child')
  writeFileSync(join(staging.directory, 'half-received'), 'half')

  const left = new Staging(staging.directory).open()
  t.alike([...left].sort(), [...asides].sort())
  const isKnown = (bytes: Bytes) => (bytes.type === 'file' ? bytes.hash === hashOf('known') : bytes.target === 'known')
  const kept = await rescue(root, left, isKnown, { host: 'host', now: () => new Date('2024-05-06T07:08:09.123Z') })
  t.alike(kept.map(([was]) => was as string).sort(), ['full', 'mine', 'my-link'])
  t.alike(readdirSync(staging.directory), [])
  t.is(readFileSync(join(root, 'mine.conflict-20240506-070809-host'), 'utf8'), 'mine')
  t.is(readFileSync(join(root, 'full.conflict-20240506-070809-host/child'), 'utf8'), 'child')
})
