import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { FolderIgnoreRules } from '../../src/publish/ignore-rules.ts'
import { pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { Problems } from '../support/problems.ts'

test('rules are loaded when first asked for, and change when the file does', async (t) => {
  const root = await t.tmp()
  const file = join(root, '.p2psyncignore')
  const problems = new Problems()
  const rules = new FolderIgnoreRules(root, problems.add)
  writeFileSync(file, '*.log\n')
  t.ok(rules.current.ignores(pathOf('a.log'), 'other'))
  t.absent(rules.reload(), 'the text is the same')
  writeFileSync(file, '*.tmp\n')
  t.ok(rules.current.ignores(pathOf('a.log'), 'other'), 'until they are loaded again')
  t.ok(rules.reload())
  t.absent(rules.current.ignores(pathOf('a.log'), 'other'))
  t.ok(rules.current.ignores(pathOf('a.tmp'), 'other'))
  rmSync(file)
  t.ok(rules.reload())
  t.absent(rules.current.ignores(pathOf('a.tmp'), 'other'))
  t.alike(problems.list, [])
})

test('the last rules stay in force while the file cannot be read', async (t) => {
  const root = await t.tmp()
  const file = join(root, '.p2psyncignore')
  const problems = new Problems()
  const rules = new FolderIgnoreRules(root, problems.add)
  writeFileSync(file, '*.log\n')
  t.ok(rules.reload())
  rmSync(file)
  mkdirSync(file)
  t.absent(rules.reload())
  t.ok(rules.current.ignores(pathOf('a.log'), 'other'))
  t.ok(problems.of('.p2psyncignore')?.endsWith('Its last rules stay'), problems.of('.p2psyncignore'))
})

test('a file that never could be read halts: what it leaves out would be published', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, '.p2psyncignore'))
  const rules = new FolderIgnoreRules(root, () => t.fail('no problem of a path'))
  t.is(await codeOf(() => rules.reload()), 'HALTED')
  t.is(await codeOf(() => rules.current), 'HALTED')
})
