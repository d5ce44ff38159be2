import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { setAside, takeBack } from '../../../src/disk/path/set-aside.ts'

test('setAside numbers the copies and never replaces an earlier one', async (t) => {
  const root = await t.tmp()
  const path = join(root, 'state')
  for (const content of ['one', 'two']) {
    mkdirSync(path)
    writeFileSync(join(path, 'file'), content)
    const count = content === 'one' ? 1 : 2
    t.is(setAside(path), `${path}.damaged-${count}`)
  }
  t.alike(readdirSync(root).sort(), ['state.damaged-1', 'state.damaged-2'])
  t.is(readFileSync(join(root, 'state.damaged-1/file'), 'utf8'), 'one')
  t.is(setAside(path), undefined, 'nothing is there any more')
})

test('takeBack replaces a new directory with the one set aside', async (t) => {
  const root = await t.tmp()
  const path = join(root, 'state')
  mkdirSync(path)
  writeFileSync(join(path, 'old'), '')
  const keptAs = setAside(path)
  mkdirSync(path)
  writeFileSync(join(path, 'new'), '')

  takeBack(undefined, path)
  t.alike(readdirSync(path), ['new'], 'without a copy nothing changes')
  takeBack(keptAs, path)
  t.alike(readdirSync(path), ['old'])
  t.alike(readdirSync(root), ['state'])
})
