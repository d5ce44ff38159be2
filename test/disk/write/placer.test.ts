import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { Parents } from '../../../src/disk/path/parents.ts'
import { observe } from '../../../src/disk/read/observe.ts'
import { ChangedMeanwhile, Placer } from '../../../src/disk/write/placer.ts'
import { Staging } from '../../../src/disk/write/stage.ts'
import { directoryOf, fileOf, pathOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'

/** A placer for a folder with these files, observed as they are. */
async function make(t: Assert, files: Readonly<Record<string, string>>, conflicting: readonly string[] = []) {
  const root = await t.tmp()
  const staging = new Staging(join(await t.tmp(), 'staging'))
  staging.open()
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, name), content)
  const fail = () => t.fail('a path can be read')
  const observed = observe(root, Object.keys(files).map(pathOf), fail)
  const parents = new Parents(root, () => false)
  t.teardown(() => parents.close())
  const conflicts: string[] = []
  const input = { parents, staging, observed, conflicts: new Set(conflicting.map(pathOf)) }
  const onConflict = (_: string, keptAs: string) => void conflicts.push(keptAs)
  const placer = new Placer(input, { host: 'here', now: () => new Date(0), onConflict })
  const stage = (content: string) => {
    const path = join(staging.directory, staging.nextName())
    writeFileSync(path, content)
    return path
  }
  return { root, staging, placer, stage, conflicts }
}

const textAt = (root: string, name: string) => readFileSync(join(root, name), 'utf8')

test('place replaces the observed file, and refuses one that changed meanwhile', async (t) => {
  const { root, staging, placer, stage } = await make(t, { a: 'old', b: 'old' })
  t.not(placer.place(pathOf('a'), stage('new')), '')
  t.is(textAt(root, 'a'), 'new')
  t.alike(readdirSync(staging.directory), [], 'the old file is gone')

  writeFileSync(join(root, 'b'), 'edited')
  const staged = stage('new')
  t.ok((await failureOf(() => placer.place(pathOf('b'), staged))) instanceof ChangedMeanwhile)
  t.is(textAt(root, 'b'), 'edited')
  t.is(readFileSync(staged, 'utf8'), 'new')
})

test('place keeps a conflicting file under another name', async (t) => {
  const { root, placer, stage, conflicts } = await make(t, { a: 'mine' }, ['a'])
  placer.place(pathOf('a'), stage('new'))
  t.is(textAt(root, 'a'), 'new')
  t.is(conflicts.length, 1)
  t.is(textAt(root, conflicts[0] ?? ''), 'mine')
})

test('a move that fails puts the file back', async (t) => {
  const { root, placer } = await make(t, { a: 'content' })
  const taken = placer.takeOut(pathOf('a')) ?? ''
  t.alike(readdirSync(root), [])
  mkdirSync(join(root, 'b'))
  await t.exception(async () => placer.putIn(pathOf('b'), taken, pathOf('a'), fileOf('content')))
  t.is(textAt(root, 'a'), 'content')
  t.ok(lstatSync(join(root, 'b')).isDirectory())
})

test('remove deletes the observed file only, and no full directory', async (t) => {
  const { root, placer } = await make(t, { a: 'content' })
  placer.remove(pathOf('a'), fileOf('content'))
  placer.remove(pathOf('missing'), fileOf('content'))
  mkdirSync(join(root, 'new'))
  t.ok((await failureOf(() => placer.remove(pathOf('new'), directoryOf()))) instanceof ChangedMeanwhile)
  t.alike(readdirSync(root), ['new'])
})
