import { test } from 'brittle'
import fc from 'fast-check'
import { exactFileSystem, type FileSystemTraits, foldName } from '../../src/tree/file-system.ts'
import { localNames, NamesOf, Realigned } from '../../src/tree/local-names.ts'
import { ancestorsOf, baseName, nameBytesMax, parentPath, pathFault, type TreePath } from '../../src/tree/path.ts'
import { pathOf } from '../support/entries.ts'
import { holds, must } from '../support/property.ts'

const caseless: FileSystemTraits = { ...exactFileSystem, foldsCase: true }
const normalising: FileSystemTraits = { ...exactFileSystem, foldsUnicode: 'canonical' }
const both: FileSystemTraits = { ...exactFileSystem, foldsCase: true, foldsUnicode: 'compatible' }
const foldBy = (traits: FileSystemTraits) => (name: string) => foldName(name, traits)

function named(paths: readonly string[], traits = caseless): Record<string, string> {
  const { of } = localNames(paths.map(pathOf), foldBy(traits))
  return Object.fromEntries(paths.map((path) => [path, of(pathOf(path))]))
}

test('of two names that fold to one, the first in byte order stays and the other is marked', (t) => {
  t.alike(named(['a.txt', 'A.txt', 'b']), { 'a.txt': 'a~18b7cb.txt', 'A.txt': 'A.txt', b: 'b' })
  t.alike(named(['\u00e9', 'e\u0301'], normalising), { '\u00e9': '\u00e9~4a9955', 'e\u0301': 'e\u0301' })
  t.alike(
    named(['\u00e9', 'e\u0301'], caseless),
    { '\u00e9': '\u00e9', 'e\u0301': 'e\u0301' },
    'only where they are one'
  )
  // As UTF-16 it would come second.
  t.is(named(['\u{1D400}', '\uff21'], both)['\uff21'], '\uff21')
})

test('paths in a renamed directory follow it', (t) => {
  t.alike(named(['Docs', 'Docs/x', 'docs', 'docs/x', 'docs/X']), {
    Docs: 'Docs',
    'Docs/x': 'Docs/x',
    docs: 'docs~46b42b',
    'docs/x': 'docs~46b42b/x~2d7116',
    'docs/X': 'docs~46b42b/X'
  })
})

test('each clashing name is reported once, with the name that it clashes with', (t) => {
  const { collisions } = localNames(['A/x', 'a/x', 'a/y'].map(pathOf), foldBy(caseless))
  t.alike(collisions, [{ path: 'a', other: 'A', keptAs: 'a~ca9781' }])
})

test("a mark that a user's file already has is not used", (t) => {
  const names = named(['A', 'a', 'A~CA9781'])
  t.is(names['A~CA9781'], 'A~CA9781')
  t.ok(/^a~[0-9a-f]{16}$/.test(names.a as string), names.a as string)
})

/** Few letters that fold in many ways, so that collisions are common. */
const anyName = fc
  .array(fc.constantFrom('a', 'A', '\u00e9', 'e\u0301', '\u00c9', '\ufb01', 'fi', '\u03c2', '\u03c3', '.', '~', '1'), {
    minLength: 1,
    maxLength: 3
  })
  .map((letters) => letters.join(''))
  .filter((name) => pathFault(name) === undefined)
const longName = anyName
  .map((name) => name.padEnd(nameBytesMax - Buffer.byteLength(name) + name.length, 'x'))
  .filter((name) => pathFault(name) === undefined)
const anyPath = fc
  .array(fc.oneof({ weight: 9, arbitrary: anyName }, { weight: 1, arbitrary: longName }), {
    minLength: 1,
    maxLength: 3
  })
  .map((names) => pathOf(names.join('/')))
const anyPaths = fc.uniqueArray(anyPath, { maxLength: 20 })
const anyTraits = fc.constantFrom(caseless, normalising, both)

test('local names are distinct to the file system, and change no more than needed', async (t) => {
  await holds(
    t,
    fc.property(anyPaths, anyTraits, (paths, traits) => {
      const fold = foldBy(traits)
      const { of, collisions } = localNames(paths, fold)
      const all = new Set(paths.flatMap((path) => [...ancestorsOf(path), path]))
      const keys = new Map<string, TreePath>()
      for (const path of all) {
        const local = of(path)
        const key = local.split('/').map(fold).join('/')
        must(!keys.has(key), `${path} and ${keys.get(key)} are both kept as ${local}`)
        keys.set(key, path)
        must(pathFault(local) === undefined, `${local} is no path`)
        must(Buffer.byteLength(baseName(local)) <= nameBytesMax, 'within the bounds of a name')
        const parent = parentPath(path)
        must(parent === '' || parentPath(local) === of(parent), `${path} follows its directory`)
        const own = collisions.some((collision) => collision.path === path)
        must(own === (baseName(local) !== baseName(path)), `${path} is told of, and only then`)
      }
    })
  )
})

test('local names depend on the paths alone, not on their order', async (t) => {
  await holds(
    t,
    fc.property(anyPaths, anyTraits, (paths, traits) => {
      const one = localNames(paths, foldBy(traits))
      const other = localNames([...paths].reverse(), foldBy(traits))
      for (const path of paths) must(one.of(path) === other.of(path), path)
    })
  )
})

test('paths stay unchanged on a file system that tells all names apart', async (t) => {
  await holds(
    t,
    fc.property(anyPaths, (paths) => {
      const { of, collisions } = localNames(paths, (name) => name)
      must(collisions.length === 0 && paths.every((path) => of(path) === path), 'the same')
    })
  )
})

test('paths get the wanted spelling, with all paths beneath', (t) => {
  const realigned = new Realigned(new NamesOf(['docs', 'docs/a'].map(pathOf), foldBy(caseless)))
  const now = (path: string) => realigned.of(pathOf(path), () => true)
  t.alike(['Docs', 'Docs/A', 'Docs/own', 'Docs/own/X', 'other'].map(now), [
    'docs',
    'docs/a',
    'docs/own',
    'docs/own/X',
    'other'
  ])
  const refused = new Realigned(new NamesOf([pathOf('docs')], foldBy(caseless)))
  t.alike(
    ['Docs', 'Docs/A'].map((path) => refused.of(pathOf(path), () => false)),
    ['Docs', 'Docs/A'],
    'names that differ stay'
  )
})

test('a wanted name stays, whatever other names are wanted', (t) => {
  const names = new NamesOf(['A', 'a'].map(pathOf), foldBy(caseless))
  t.is(names.get('', 'a'), 'a')
  t.is(names.get('', 'A'), 'A')
  t.is(names.get('', 'b'), undefined)
})
