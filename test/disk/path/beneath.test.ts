import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { Beneath, isAbsence } from '../../../src/disk/path/beneath.ts'
import { childPath, parentPath, pathBytesMax, type TreePath } from '../../../src/tree/path.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf } from '../../support/entries.ts'
import { codeOf, failureOf } from '../../support/failure.ts'

test('Beneath reaches files at any depth, and the folder itself', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  writeFileSync(join(root, 'top'), '1')
  writeFileSync(join(root, 'a/b/low'), '2')
  const beneath = new Beneath(root)
  t.teardown(() => beneath.release())

  t.alike(readdirSync(beneath.directory('')).sort(), ['a', 'top'])
  t.is(readFileSync(beneath.locate(pathOf('a/b/low')), 'utf8'), '2')
  t.is(readFileSync(beneath.locate(pathOf('top')), 'utf8'), '1', 'back up again')
  t.is(beneath.stat(pathOf('a/b'))?.isDirectory(), true)
  t.is(beneath.stat(pathOf('a/b/low'))?.size, 1)
})

test('Beneath reports a missing path, also beneath a file', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'file'), '')
  const beneath = new Beneath(root)
  t.teardown(() => beneath.release())

  t.is(beneath.stat(pathOf('missing')), undefined)
  t.is(beneath.stat(pathOf('missing/child')), undefined)
  t.is(beneath.stat(pathOf('file/child')), undefined)
  t.is(await codeOf(() => beneath.directory(pathOf('missing'))), 'ENOENT')
  t.is(await codeOf(() => beneath.directory(pathOf('file'))), 'ENOTDIR')
  t.is(beneath.stat(pathOf('file'))?.isFile(), true, 'a failure leaves it usable')
})

test('Beneath refuses a parent that is a symlink, wherever it points', async (t) => {
  const root = await t.tmp()
  const outside = await t.tmp()
  mkdirSync(join(root, 'real/sub'), { recursive: true })
  mkdirSync(join(outside, 'sub'))
  writeFileSync(join(outside, 'secret'), 'secret')
  writeFileSync(join(outside, 'sub/secret'), 'secret')
  writeFileSync(join(root, 'real/inside'), 'inside')
  symlinkSync(outside, join(root, 'out'))
  symlinkSync('real', join(root, 'in'))
  symlinkSync(join(outside, 'sub'), join(root, 'real/sub-out'))
  const beneath = new Beneath(root)
  t.teardown(() => beneath.release())

  for (const path of ['out/secret', 'out/sub/secret', 'in/inside', 'in/sub/new', 'real/sub-out/secret']) {
    const error = await failureOf(() => beneath.locate(pathOf(path)))
    t.ok(isAbsence(error), `${path} can't be reached`)
    t.is(beneath.stat(pathOf(path)), undefined, `nothing is at ${path}`)
  }
  t.is(beneath.stat(pathOf('out'))?.isSymbolicLink(), true, 'the link itself is there')
})

test('Beneath follows a symlink that the user names as the folder', async (t) => {
  const parent = await t.tmp()
  mkdirSync(join(parent, 'folder'))
  writeFileSync(join(parent, 'folder/file'), 'x')
  symlinkSync('folder', join(parent, 'link'))
  const beneath = new Beneath(join(parent, 'link'))
  t.teardown(() => beneath.release())

  t.is(readFileSync(beneath.locate(pathOf('file')), 'utf8'), 'x')
})

test('Beneath never leaves the folder when a held directory is swapped for a link', {
  skip: !tellsDescriptors
}, async (t) => {
  const root = await t.tmp()
  const outside = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  mkdirSync(join(outside, 'b'))
  const beneath = new Beneath(root)
  t.teardown(() => beneath.release())
  const held = beneath.locate(pathOf('a/b/file'))

  renameSync(join(root, 'a'), join(root, 'moved'))
  symlinkSync(outside, join(root, 'a'))

  writeFileSync(held, 'x')
  writeFileSync(beneath.locate(pathOf('a/b/second')), 'x')
  t.alike(readdirSync(join(root, 'moved/b')).sort(), ['file', 'second'], 'the held directory is followed')
  t.alike(readdirSync(join(outside, 'b')), [], "the link's target is untouched")

  beneath.release()
  t.is(beneath.stat(pathOf('a/b/file')), undefined, 'after a release it meets the link')
  t.is(await codeOf(() => writeFileSync(beneath.locate(pathOf('a/b/third')), 'x')), 'ENOTDIR')
  t.alike(readdirSync(join(outside, 'b')), [])
})

test('Beneath refuses a link that appears between two directories of one walk', async (t) => {
  const root = await t.tmp()
  const outside = await t.tmp()
  mkdirSync(join(root, 'a/b/c'), { recursive: true })
  mkdirSync(join(outside, 'c'))
  const beneath = new Beneath(root)
  t.teardown(() => beneath.release())
  beneath.directory(pathOf('a'))

  renameSync(join(root, 'a/b'), join(root, 'moved'))
  symlinkSync(outside, join(root, 'a/b'))

  t.is(await codeOf(() => beneath.directory(pathOf('a/b/c'))), 'ENOTDIR')
})

test('Beneath reaches the longest permitted path, 2,000 directories deep', {
  skip: !tellsDescriptors
}, async (t) => {
  const root = await t.tmp()
  const beneath = new Beneath(root)
  const paths: TreePath[] = []
  t.teardown(() => {
    // Split in two, since no system call takes the whole path.
    const middle = paths[1024]
    if (middle !== undefined) renameSync(beneath.locate(middle), join(root, 'half'))
    beneath.release()
  })

  for (let path = pathOf('d'); path.length <= pathBytesMax; path = childPath(path, 'd')) {
    mkdirSync(beneath.locate(path))
    paths.push(path)
  }
  const deepest = paths.at(-1) ?? pathOf('none')
  t.is(paths.length, 2048)
  t.is(await codeOf(() => readdirSync(join(root, deepest))), 'ENAMETOOLONG', 'too long for the system')

  beneath.release()
  t.is(beneath.stat(deepest)?.isDirectory(), true, 'from the folder down')
  t.alike(readdirSync(beneath.directory(deepest)), [])
  t.alike(readdirSync(beneath.directory(parentPath(deepest))), ['d'])
})

test('Beneath holds at most one descriptor, and none after a release', { skip: !tellsDescriptors }, async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b/c'), { recursive: true })
  mkdirSync(join(root, 'd'))
  symlinkSync('/', join(root, 'link'))
  const before = descriptorCount()
  const beneath = new Beneath(root)

  for (const path of ['a/b/c/x', 'd/x', 'a/missing/x', 'link/x', 'a/b/missing/x', 'a/b/c/x', 'top']) {
    beneath.stat(pathOf(path))
    t.ok(descriptorCount() - before <= 1, `one after ${path}`)
  }
  beneath.release()
  t.is(descriptorCount(), before)
  beneath.release()
  t.is(descriptorCount(), before, 'a second release does nothing')
})
