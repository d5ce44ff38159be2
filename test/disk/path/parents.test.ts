import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { Parents } from '../../../src/disk/path/parents.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf } from '../../support/entries.ts'
import { codeOf } from '../../support/failure.ts'

async function make(t: Assert, mayWiden: (path: TreePath) => boolean = () => false) {
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  mkdirSync(join(root, 'c'))
  writeFileSync(join(root, 'a/b/file'), 'x')
  const parents = new Parents(root, mayWiden)
  t.teardown(() => parents.close())
  return { root, parents }
}

test('a change in a directory marks it as touched and as not durable yet', async (t) => {
  const { root, parents } = await make(t)
  parents.within(pathOf('a/b/new'), (at) => writeFileSync(at, ''))
  parents.away(pathOf('a/b/file'), (at) => renameSync(at, join(root, 'c/file')))
  parents.within(pathOf('top'), (at) => writeFileSync(at, ''))

  t.alike([...parents.touched], [[pathOf('a/b'), { mode: undefined }]], 'not the folder itself')
  t.alike([...parents.takeDirty()].sort(), [root, join(root, 'a/b')].sort())
  t.is(parents.takeDirty().size, 0, 'each is given once')
  t.alike(readdirSync(join(root, 'a/b')), ['new'])
})

test('a removed directory needs no restoring, but its parent does', async (t) => {
  const { root, parents } = await make(t)
  parents.within(pathOf('a/b/new'), (at) => writeFileSync(at, ''))
  parents.wentFrom(pathOf('a/b'))
  t.alike([...parents.touched.keys()], [pathOf('a')])
  t.ok(parents.takeDirty().has(join(root, 'a')))
})

test('a directory without write permission is widened only if that is allowed', {
  skip: process.getuid?.() === 0
}, async (t) => {
  const { root, parents } = await make(t, (path) => path === pathOf('a/b'))
  chmodSync(join(root, 'a/b'), 0o555)
  chmodSync(join(root, 'c'), 0o555)
  t.teardown(() => chmodSync(join(root, 'c'), 0o755))

  parents.within(pathOf('a/b/new'), (at) => writeFileSync(at, ''))
  t.is(parents.touched.get(pathOf('a/b'))?.mode, 0o555, 'it remembers the mode to restore')
  t.is(lstatSync(join(root, 'a/b')).mode & 0o777, 0o755)
  t.is(await codeOf(() => parents.within(pathOf('c/new'), (at) => writeFileSync(at, ''))), 'EACCES')
})

test('only a refusal for lack of permission repeats the action', async (t) => {
  const { parents } = await make(t, () => true)
  for (const [code, calls] of [
    ['EACCES', 2],
    ['ENOSPC', 1]
  ] as const) {
    let count = 0
    const act = () => {
      count++
      throw Object.assign(new Error(code), { code })
    }
    t.is(await codeOf(() => parents.within(pathOf('a/b/new'), act)), code)
    t.is(count, calls, code)
  }
})

test('a parent swapped for a symlink is not followed', async (t) => {
  const { root, parents } = await make(t)
  const outside = await t.tmp()
  renameSync(join(root, 'a/b'), join(root, 'moved'))
  symlinkSync(outside, join(root, 'a/b'))
  t.is(await codeOf(() => parents.within(pathOf('a/b/new'), (at) => writeFileSync(at, ''))), 'ENOTDIR')
  t.is(await codeOf(() => parents.away(pathOf('a/b/file'), () => {})), 'ENOTDIR')
  t.alike(readdirSync(outside), [])
})

test('a pinned folder is changed where it has moved, until it is closed', { skip: !tellsDescriptors }, async (t) => {
  const { root, parents } = await make(t)
  const before = descriptorCount()
  parents.pin(() => {})
  renameSync(root, `${root}-moved`)
  mkdirSync(join(root, 'c'), { recursive: true })
  parents.within(pathOf('c/new'), (at) => writeFileSync(at, ''))
  t.alike(readdirSync(join(root, 'c')), [])
  t.alike(readdirSync(join(`${root}-moved`, 'c')), ['new'])
  parents.close()
  t.is(descriptorCount(), before)
  renameSync(root, `${root}-other`)
  renameSync(`${root}-moved`, root)
})

test('a folder that fails verification is not pinned', { skip: !tellsDescriptors }, async (t) => {
  const { parents } = await make(t)
  const before = descriptorCount()
  const refuse = () => {
    throw Object.assign(new Error('another folder'), { code: 'HALTED' })
  }
  t.is(await codeOf(() => parents.pin(refuse)), 'HALTED')
  t.is(descriptorCount(), before)
})
