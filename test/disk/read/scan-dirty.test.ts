import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { type Depth, scanFolder } from '../../../src/disk/read/scan.ts'
import type { Scan } from '../../../src/tree/diff.ts'
import { parseIgnoreRules } from '../../../src/tree/ignore.ts'
import { pathOf } from '../../support/entries.ts'

function scanDirty(root: string, dirty: Readonly<Record<string, Depth>>, isKnown = true): Promise<Scan> {
  const paths = new Map(Object.entries(dirty).map(([path, depth]) => [pathOf(path), depth]))
  return scanFolder(root, { dirty: paths, isKnown: () => isKnown })
}

function makeFolder(root: string): string {
  mkdirSync(join(root, 'a/b/c'), { recursive: true })
  mkdirSync(join(root, 'other'))
  for (const path of ['top', 'a/1', 'a/2', 'a/b/3', 'a/b/c/4', 'other/5']) writeFileSync(join(root, path), path)
  return root
}

const seenIn = ({ seen }: Scan) => [...seen.keys()].sort()

test('a dirty file is looked at alone, with the directory that holds it', async (t) => {
  const scan = await scanDirty(makeFolder(await t.tmp()), { 'a/b/3': 'shallow' })
  t.alike(seenIn(scan), ['a/b', 'a/b/3'])
  t.ok(scan.covers(pathOf('a/b/3')))
  t.ok(scan.covers(pathOf('a/b')))
  for (const path of ['a', 'a/1', 'a/b/c', 'a/b/other', 'top']) t.absent(scan.covers(pathOf(path)), path)
})

test('a dirty directory is looked at with its children', async (t) => {
  const scan = await scanDirty(makeFolder(await t.tmp()), { a: 'shallow' })
  t.alike(seenIn(scan), ['a', 'a/1', 'a/2', 'a/b'])
  for (const path of ['a', 'a/1', 'a/gone']) t.ok(scan.covers(pathOf(path)), path)
  for (const path of ['a/b/3', 'a/b/gone', 'top', 'other']) t.absent(scan.covers(pathOf(path)), path)
})

test('a directory that is dirty to its depth is looked at with all beneath it', async (t) => {
  const scan = await scanDirty(makeFolder(await t.tmp()), { a: 'deep' })
  t.alike(seenIn(scan), ['a', 'a/1', 'a/2', 'a/b', 'a/b/3', 'a/b/c', 'a/b/c/4'])
  for (const path of ['a', 'a/b/gone', 'a/b/c/4/was/a/directory']) t.ok(scan.covers(pathOf(path)), path)
  for (const path of ['ab', 'top', 'other/5']) t.absent(scan.covers(pathOf(path)), path)
})

test('a directory that was not known is looked at whole, itself or as a child', async (t) => {
  const root = makeFolder(await t.tmp())
  t.alike(seenIn(await scanDirty(root, { 'a/b': 'shallow' }, false)), ['a', 'a/b', 'a/b/3', 'a/b/c', 'a/b/c/4'])

  const asked: string[] = []
  const scan = await scanFolder(root, {
    dirty: new Map([[pathOf('a'), 'shallow']]),
    isKnown: (path) => {
      asked.push(path)
      return path === 'a'
    }
  })
  t.alike(asked.sort(), ['a', 'a/b'])
  t.alike(seenIn(scan), ['a', 'a/1', 'a/2', 'a/b', 'a/b/3', 'a/b/c', 'a/b/c/4'])
  t.ok(scan.covers(pathOf('a/b/gone')))
})

test('a removed dirty path is covered with everything beneath it', async (t) => {
  const root = makeFolder(await t.tmp())
  rmSync(join(root, 'a'), { recursive: true })
  const scan = await scanDirty(root, { a: 'shallow' })
  t.alike(seenIn(scan), [])
  for (const path of ['a', 'a/1', 'a/b/c/4']) t.ok(scan.covers(pathOf(path)), path)
  t.absent(scan.covers(pathOf('top')))
})

test('a dirty path in a directory that is gone covers that directory too', async (t) => {
  const root = makeFolder(await t.tmp())
  rmSync(join(root, 'a/b'), { recursive: true })
  const scan = await scanDirty(root, { 'a/b/3': 'shallow' })
  t.alike(seenIn(scan), [])
  for (const path of ['a/b', 'a/b/3', 'a/b/c/4']) t.ok(scan.covers(pathOf(path)), path)
})

test('a directory that became a file or a link takes with it what it held', async (t) => {
  const root = makeFolder(await t.tmp())
  renameSync(join(root, 'a'), join(root, 'elsewhere'))
  writeFileSync(join(root, 'a'), '')
  renameSync(join(root, 'other'), join(root, 'elsewhere/other'))
  symlinkSync('elsewhere', join(root, 'other'))
  const scan = await scanDirty(root, { a: 'shallow', other: 'deep', 'other/5': 'shallow' })
  t.alike(
    [...scan.seen].map(([path, { type }]) => [path, type]),
    [
      ['a', 'file'],
      ['other', 'symlink']
    ]
  )
  for (const path of ['a/b/3', 'other/5']) t.ok(scan.covers(pathOf(path)), path)
})

test('overlapping dirty paths are scanned together, to the greatest depth', async (t) => {
  const root = makeFolder(await t.tmp())
  const scan = await scanDirty(root, { a: 'shallow', 'a/b': 'deep', 'other/5': 'shallow', missing: 'deep' })
  t.alike(seenIn(scan), ['a', 'a/1', 'a/2', 'a/b', 'a/b/3', 'a/b/c', 'a/b/c/4', 'other', 'other/5'])
  t.ok(scan.covers(pathOf('missing/child')))
  t.absent(scan.covers(pathOf('other/6')))
})

test('a dirty path that is ignored is not seen', async (t) => {
  const root = makeFolder(await t.tmp())
  const rules = parseIgnoreRules('b/\n')
  const scan = await scanFolder(root, { dirty: new Map([[pathOf('a/b/3'), 'shallow']]), rules })
  t.alike(seenIn(scan), [])
  t.ok(scan.frozen(pathOf('a/b/3'), 'file'))
})
