import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { probeFileSystem } from '../../../src/disk/path/capabilities.ts'
import { finishRealigning, realign } from '../../../src/disk/read/realign.ts'
import { scanFolder } from '../../../src/disk/read/scan.ts'
import { exactFileSystem, type FileSystemTraits, foldName } from '../../../src/tree/file-system.ts'
import { NamesOf } from '../../../src/tree/local-names.ts'
import { pathOf } from '../../support/entries.ts'
import { OddDisk, oddTest } from '../../support/odd-file-system.ts'
import { Problems } from '../../support/problems.ts'
import { matches } from '../../support/says.ts'

const folding = { ...exactFileSystem, foldsCase: true }

function wantedOf(paths: readonly string[]): NamesOf {
  return new NamesOf(paths.map(pathOf), (name) => foldName(name, folding))
}

async function align(
  root: string,
  paths: readonly string[],
  {
    traits = folding,
    recorded = []
  }: { readonly traits?: FileSystemTraits; readonly recorded?: readonly string[] } = {}
): Promise<readonly string[]> {
  const names = { wanted: wantedOf(paths), recorded: wantedOf(recorded) }
  return [...realign(root, await scanFolder(root), names, traits, () => {}).keys()].sort()
}

oddTest('realign respells names, parents first, with everything beneath', 'exfat', async (t) => {
  const { root } = await OddDisk.make(t, 'exfat')
  mkdirSync(join(root, 'Docs/Deep'), { recursive: true })
  writeFileSync(join(root, 'Docs/Deep/A.TXT'), 'a')
  writeFileSync(join(root, 'Docs/own.txt'), 'own')
  const paths = ['docs', 'docs/deep', 'docs/deep/a.txt', 'docs/own.txt']
  t.alike(await align(root, ['docs', 'docs/deep', 'docs/deep/a.txt']), paths)
  const listed = readdirSync(root, { recursive: true, encoding: 'utf8' })
  t.alike(listed.sort(), paths, 'as they are listed')
  t.is(readFileSync(join(root, 'docs/deep/a.txt'), 'utf8'), 'a')
})

oddTest('names that the file system cannot spell are listed under the wanted ones', 'ntfs', async (t) => {
  const { root } = await OddDisk.make(t, 'ntfs')
  mkdirSync(join(root, 'Docs'))
  writeFileSync(join(root, 'Docs/A.txt'), 'a')
  t.alike(await align(root, ['Docs', 'Docs/A.txt'], { traits: probeFileSystem(root) }), ['Docs', 'Docs/A.txt'])
  t.alike(readdirSync(root), ['docs'])
})

oddTest('a recorded name that is not wanted lists the file but does not rename it', 'exfat', async (t) => {
  const { root } = await OddDisk.make(t, 'exfat')
  mkdirSync(join(root, 'docs'))
  writeFileSync(join(root, 'docs/a'), 'a')
  t.alike(await align(root, [], { recorded: ['Docs', 'Docs/A'] }), ['Docs', 'Docs/A'])
  t.alike(readdirSync(root), ['docs'], 'but keeps the one it has')
})

oddTest('finishRealigning completes an interrupted renaming', 'exfat', async (t) => {
  const { root } = await OddDisk.make(t, 'exfat')
  mkdirSync(join(root, 'docs~renaming'))
  writeFileSync(join(root, 'docs~renaming/file'), 'content')
  const { seen } = await scanFolder(root)
  t.ok(finishRealigning(root, seen, wantedOf(['docs', 'docs/file'])))
  t.is(readFileSync(join(root, 'docs/file'), 'utf8'), 'content')
  t.alike(readdirSync(root), ['docs'])
})

/** Both are there, whatever the scan says: a file system may tell apart what we take for one. */
async function twoFiles(t: Assert): Promise<string> {
  const root = await t.tmp()
  writeFileSync(join(root, 'A'), 'upper')
  writeFileSync(join(root, 'a'), 'lower')
  return root
}

test('realign leaves names alone that the file system distinguishes', async (t) => {
  const root = await twoFiles(t)
  renameSync(join(root, 'a'), join(root, 'b'))
  t.alike(await align(root, ['a', 'b']), ['A', 'b'], 'nothing stands at the wanted name')
  t.alike(readdirSync(root).sort(), ['A', 'b'])
})

test('a file of its own at the wanted name is never overwritten', async (t) => {
  const root = await twoFiles(t)
  const { seen, unreadable } = await scanFolder(root)
  // As when it came after the scan.
  const earlier = new Map([...seen].filter(([path]) => path !== 'a'))
  const aligned = realign(
    root,
    { seen: earlier, unreadable },
    { wanted: wantedOf(['a']), recorded: wantedOf([]) },
    folding,
    () => {}
  )
  t.alike([...aligned.keys()], ['A'])
  t.alike(
    readdirSync(root)
      .sort()
      .map((name) => [name, readFileSync(join(root, name), 'utf8')]),
    [
      ['A', 'upper'],
      ['a', 'lower']
    ]
  )
})

test('the parents of an unreadable path keep their names', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'Docs/secret'), { recursive: true })
  mkdirSync(join(root, 'docs'))
  const { seen } = await scanFolder(root)
  const earlier = new Map([...seen].filter(([path]) => path !== 'docs'))
  const unreadable = new Set([pathOf('Docs/secret')])
  const names = { wanted: wantedOf(['docs']), recorded: wantedOf([]) }
  const aligned = realign(root, { seen: earlier, unreadable }, names, { ...folding, keepsCase: false }, () => {})
  t.alike([...aligned.keys()].sort(), ['Docs', 'Docs/secret'])
})

test('a failed renaming is a problem of its own path', async (t) => {
  const root = await twoFiles(t)
  const { seen, unreadable } = await scanFolder(root)
  rmSync(join(root, 'A'))
  const earlier = new Map([...seen].filter(([path]) => path !== 'a'))
  const problems = new Problems()
  const names = { wanted: wantedOf(['a']), recorded: wantedOf([]) }
  t.alike([...realign(root, { seen: earlier, unreadable }, names, folding, problems.add).keys()], ['a'])
  matches(t, problems.of('a') ?? '', /Can't be renamed from A: no such file/)
})
