import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fs, { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import extensions from 'fs-native-extensions'
import { failpointChannel } from '../../../src/failpoints.ts'
import type { Step } from '../../../src/tree/plan.ts'
import { step } from '../../support/failpoints.ts'
import { Workshop } from '../../support/materialise.ts'

type Call = (...args: unknown[]) => unknown

/** The calls that give and take names. */
const namingCalls = ['linkSync', 'mkdirSync', 'renameSync', 'rmdirSync', 'symlinkSync', 'unlinkSync'] as const

/** Calls `look` at every step that is told, and after every call that gives or takes a name. @returns what ends it */
function atEveryMoment(look: (moment: string) => void, options: { readonly canExchange: boolean }): () => void {
  const onStep = (name: unknown) => look(`step ${name}`)
  subscribe(failpointChannel, onStep)
  const calls = fs as unknown as Record<string, Call>
  const originals = namingCalls.map((name) => [name, calls[name] as Call] as const)
  for (const [name, original] of originals) {
    calls[name] = (...args) => {
      const result = original(...args)
      look(`${name} ${args.join(' ')}`)
      return result
    }
  }
  syncBuiltinESMExports()
  const swap = extensions.swapSync
  extensions.swapSync = (from, to) => {
    if (!options.canExchange) throw Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' })
    swap(from, to)
    look(`swapSync ${from} ${to}`)
  }
  return () => {
    unsubscribe(failpointChannel, onStep)
    for (const [name, original] of originals) calls[name] = original
    syncBuiltinESMExports()
    extensions.swapSync = swap
  }
}

/** Whether a file holds, or a link points to, `mine` somewhere in the folder's tree, whatever its name. */
function isInSight(directory: string): boolean {
  return readdirSync(directory).some((name) => {
    const at = join(directory, name)
    if (name === '.p2psync') return false
    const stats = lstatSync(at)
    if (stats.isDirectory()) return isInSight(at)
    return (stats.isSymbolicLink() ? readlinkSync(at) : readFileSync(at, 'utf8')) === 'mine'
  })
}

const owns: Readonly<Record<string, (at: string) => void>> = {
  'a file': (at) => writeFileSync(at, 'mine'),
  'a link': (at) => symlinkSync('mine', at),
  'a directory that holds a file of the user’s': (at) => {
    mkdirSync(join(at, 'deep'), { recursive: true })
    writeFileSync(join(at, 'was'), 'was')
    writeFileSync(join(at, 'deep/mine'), 'mine')
  }
}

const removals = [step.remove('x/was', 'was'), step.removeDirectory('x/deep')]
const comings: Readonly<Record<string, readonly Step[]>> = {
  'a file': [step.file('x', 'is')],
  'a link': [step.symlink('x', 'is')],
  'a directory': [step.directory('x'), step.file('x/file', 'is')],
  'a file that was moved': [step.move('from', 'x', 'was')]
}

async function run(t: Assert, own: string, steps: readonly Step[], conflicts: readonly string[], canExchange: boolean) {
  const shop = await Workshop.open(t)
  shop.has('is')
  writeFileSync(shop.at('from'), 'was')
  owns[own]?.(shop.at('x'))
  let moments = 0
  const hidden: string[] = []
  const end = atEveryMoment(
    (moment) => {
      moments++
      if (!isInSight(shop.root)) hidden.push(moment)
    },
    { canExchange }
  )
  t.teardown(end)
  const outcome = await shop.run(steps, { conflicts })
  end()
  t.alike(outcome.problems.list, [])
  t.alike(outcome.changedMeanwhile, [])
  t.alike(
    outcome.conflicts.map(([path]) => path),
    ['x'],
    'it has its conflict name'
  )
  t.ok(moments >= 3, 'it was looked for while the run went on')
  t.alike(hidden, [], 'and it was there each time')
  t.alike(shop.staged(), [])
}

for (const canExchange of [true, false]) {
  const where = canExchange ? '' : ', where names cannot be exchanged'
  for (const [coming, steps] of Object.entries(comings)) {
    for (const own of Object.keys(owns)) {
      test(`${own} stays in sight when ${coming} takes its path${where}`, async (t) => {
        await run(t, own, steps, ['x'], canExchange)
      })
    }
  }
  for (const coming of ['a file', 'a link']) {
    test(`what a user has in a directory of the log’s stays in sight when it becomes ${coming}${where}`, async (t) => {
      const steps = [...(comings[coming] ?? []), ...removals]
      await run(t, 'a directory that holds a file of the user’s', steps, [], canExchange)
    })
  }
}
