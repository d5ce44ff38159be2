import { lstatSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { exchange, renameNew } from '../../../src/disk/path/rename.ts'
import { codeOf } from '../../support/failure.ts'

test('renameNew moves a file or a symlink, and keeps its inode', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'file'), 'x')
  symlinkSync('nowhere', join(root, 'link'))
  const { ino } = lstatSync(join(root, 'file'))
  renameNew(join(root, 'file'), join(root, 'file-2'))
  renameNew(join(root, 'link'), join(root, 'link-2'))
  t.alike(readdirSync(root).sort(), ['file-2', 'link-2'])
  t.is(lstatSync(join(root, 'file-2')).ino, ino)
  t.is(readlinkSync(join(root, 'link-2')), 'nowhere')
})

test('renameNew refuses a name that is taken, also by a dangling symlink', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'from'), 'from')
  writeFileSync(join(root, 'file'), 'kept')
  symlinkSync('nowhere', join(root, 'link'))
  for (const name of ['file', 'link']) {
    t.is(await codeOf(() => renameNew(join(root, 'from'), join(root, name))), 'EEXIST')
  }
  t.is(readFileSync(join(root, 'file'), 'utf8'), 'kept')
  t.is(readFileSync(join(root, 'from'), 'utf8'), 'from')
})

test('exchange swaps two names', { skip: process.platform !== 'linux' }, async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'a'), 'first')
  writeFileSync(join(root, 'b'), 'second')
  t.is(exchange(join(root, 'a'), join(root, 'b')), true)
  t.is(readFileSync(join(root, 'a'), 'utf8'), 'second')
  t.is(readFileSync(join(root, 'b'), 'utf8'), 'first')
  t.is(await codeOf(() => exchange(join(root, 'a'), join(root, 'missing'))), 'ENOENT')
})
