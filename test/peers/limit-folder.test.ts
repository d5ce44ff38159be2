import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { openFolder } from '../../src/folder/folder.ts'
import type { Limits } from '../../src/net/status.ts'
import { limitFolder } from '../../src/peers/limit-folder.ts'
import { LiveLimits } from '../../src/peers/live-limits.ts'
import { codeOf } from '../support/failure.ts'
import { until } from '../support/until.ts'

async function folderOf(t: Assert) {
  const root = join(await t.tmp(), 'folder')
  mkdirSync(root)
  const folder = openFolder(root, { role: 'writer' })
  folder.lock.release()
  return folder
}

test('limits are stored; what is left out stays, and Infinity lifts one', async (t) => {
  const { root } = await folderOf(t)
  t.alike(limitFolder(root, { up: 5, down: 7 }), { up: 5, down: 7 })
  t.alike(limitFolder(root, { up: 6 }), { up: 6, down: 7 })
  t.alike(limitFolder(root, { down: Number.POSITIVE_INFINITY }), { up: 6 })
  t.alike(limitFolder(root, {}), { up: 6 })
  t.is(await codeOf(() => limitFolder(join(root, '..'), {})), 'FOLDER_MISSING')
})

test('a damaged file of limits is made anew', async (t) => {
  const { root, home } = await folderOf(t)
  writeFileSync(join(home, 'limits.json'), '{')
  t.alike(limitFolder(root, { up: 1 }), { up: 1 })
})

/** The limits of a folder at work, with what it hears of the file. */
function follow(t: Assert, home: string, given: Limits | undefined) {
  const changes: Limits[] = []
  const notices: string[] = []
  const limits = new LiveLimits({
    home,
    given,
    onChange: (changed) => changes.push(changed),
    onNotice: (message) => notices.push(message)
  })
  t.teardown(() => limits.close())
  return { limits, changes, notices }
}

test('a folder at work starts with the limits that are given, or else with those that are stored', async (t) => {
  const { root, home } = await folderOf(t)
  t.alike(follow(t, home, undefined).limits.current, {})
  limitFolder(root, { up: 5 })
  t.alike(follow(t, home, undefined).limits.current, { up: 5 })
  t.alike(follow(t, home, { down: 3 }).limits.current, { down: 3 })
})

test('a folder at work takes new limits within seconds, and a damaged file changes none', async (t) => {
  const { root, home } = await folderOf(t)
  const { limits, changes, notices } = follow(t, home, { up: 1 })
  limitFolder(root, { up: 2 })
  await until(() => changes.length === 1, { what: 'the new limits' })
  t.alike(limits.current, { up: 2 })
  writeFileSync(join(home, 'limits.json'), '{')
  await until(() => notices.length === 1, { what: 'the notice' })
  t.alike(limits.current, { up: 2 })
})
