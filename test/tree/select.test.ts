import { test } from 'brittle'
import fc from 'fast-check'
import { SyncError } from '../../src/errors.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { ancestorsOf, type TreePath } from '../../src/tree/path.ts'
import { changesOfPart, PartOfTree, partOf, type Selection } from '../../src/tree/select.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { pathOf as path } from '../support/entries.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const directory: Entry = { type: 'directory', mode: 0o755, mtimeMs: 0 }
const fileOf = (mtimeMs: number): Entry => ({
  type: 'file',
  mode: 0o644,
  mtimeMs,
  size: 0,
  hash: `${mtimeMs}`,
  extents: []
})

/** A tree of files, with the directories above each; a name that ends in a slash is a directory. */
function treeOf(names: readonly string[]): Tree {
  const tree = new Map<TreePath, Entry>()
  for (const name of names) {
    const at = path(name.replace(/\/$/, ''))
    for (const above of ancestorsOf(at)) tree.set(above, directory)
    tree.set(at, name.endsWith('/') ? directory : fileOf(1))
  }
  return tree
}

function selected(tree: Tree, selection: Selection): Map<TreePath, Entry> {
  const part = new PartOfTree(partOf(selection))
  for (const [at, entry] of tree) part.add(at, entry, () => true)
  return part.end()
}

const names = [
  'docs/a.md',
  'docs/b.txt',
  'docs/deep/c.md',
  'docs/empty/',
  'photos/1.jpg',
  'photos/raw/1.dng',
  'readme.md'
]
const all = [...treeOf(names).keys()]

const cases: ReadonlyArray<[name: string, only: string[], exclude: string[], paths: readonly string[]]> = [
  ['takes everything without patterns', [], [], all],
  [
    'takes a directory with all beneath it',
    ['docs'],
    [],
    ['docs', 'docs/a.md', 'docs/b.txt', 'docs/deep', 'docs/deep/c.md', 'docs/empty']
  ],
  [
    'takes a directory by a trailing slash',
    ['photos/'],
    [],
    ['photos', 'photos/1.jpg', 'photos/raw', 'photos/raw/1.dng']
  ],
  ['takes a path as the shell completes it', ['./photos/raw/'], [], ['photos', 'photos/raw', 'photos/raw/1.dng']],
  [
    'takes files at any depth, with the directories above them',
    ['*.md'],
    [],
    ['docs', 'docs/a.md', 'docs/deep', 'docs/deep/c.md', 'readme.md']
  ],
  ['takes matches in the root alone', ['/*.md'], [], ['readme.md']],
  ['takes paths that any pattern matches', ['*.jpg', 'readme.md'], [], ['photos', 'photos/1.jpg', 'readme.md']],
  ['takes nothing where nothing matches', ['nothing'], [], []],
  ['takes an empty directory that matches itself', ['empty'], [], ['docs', 'docs/empty']],
  ['leaves out excluded paths', [], ['docs', '*.dng'], ['photos', 'photos/1.jpg', 'photos/raw', 'readme.md']],
  ['lets an exclusion win', ['docs'], ['*.md', 'empty'], ['docs', 'docs/b.txt', 'docs/deep']],
  ['lets an excluded directory win over a path in it', ['docs/deep'], ['docs'], []],
  ['knows two stars', ['docs/**/*.md'], [], ['docs', 'docs/a.md', 'docs/deep', 'docs/deep/c.md']],
  ['minds case', ['README.MD'], [], []]
]
for (const [name, only, exclude, paths] of cases) {
  test(`a selection ${name}`, (t) => {
    t.alike([...selected(treeOf(names), { only, exclude }).keys()].sort(), [...paths].sort())
  })
}

test('a pattern that begins with # is no comment', (t) => {
  t.alike([...selected(treeOf(['#a', 'b']), { only: ['#a'], exclude: [] }).keys()], [path('#a')])
})

for (const pattern of ['', '  ', '!a', 'a\nb', '.', './', '/', '..', '../a', './../a', 'a\\', '\0', 'a'.repeat(5000)]) {
  test(`${JSON.stringify(pattern.slice(0, 10))} is refused as a pattern`, (t) => {
    for (const selection of [
      { only: [pattern], exclude: [] },
      { only: [], exclude: [pattern] }
    ]) {
      try {
        partOf(selection)
        t.fail('taken')
      } catch (error) {
        t.ok(error instanceof SyncError && error.code === 'USAGE')
      }
    }
  })
}

for (const pattern of ['a\\\\', '.a', '..a', 'a..', '\\!a', '**', '*']) {
  test(`${JSON.stringify(pattern)} is taken as a pattern`, (t) => {
    t.execution(() => partOf({ only: [pattern], exclude: [] }))
  })
}

// Random trees of few names, in which all that can happen to a path happens soon.

const segment = fc.constantFrom('a', 'b', 'c')
const anyPath = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => path(parts.join('/')))
const anyTree = fc
  .array(fc.tuple(anyPath, fc.constantFrom<'file' | 'directory'>('file', 'directory'), fc.nat(2)), { maxLength: 8 })
  .map((rows) => {
    const tree = new Map<TreePath, Entry>()
    for (const [at, type, mtimeMs] of rows) {
      const isFree = [...ancestorsOf(at)].every((above) => (tree.get(above)?.type ?? 'directory') === 'directory')
      if (tree.has(at) || !isFree) continue
      for (const above of ancestorsOf(at)) if (!tree.has(above)) tree.set(above, { ...directory, mtimeMs })
      tree.set(at, type === 'file' ? fileOf(mtimeMs) : { ...directory, mtimeMs })
    }
    return tree
  })
const anyPattern = fc.constantFrom('a', 'b/', '/c', 'a/b', '/a/*', '**/c', 'b/**', 'a/', '/a/b/c')
const anySelection = fc.record({
  only: fc.array(anyPattern, { maxLength: 2 }),
  exclude: fc.array(anyPattern, { maxLength: 1 })
})

test('a selection has the matching entries and the directories above them, nothing else', (t) => {
  return holds(
    t,
    fc.property(anyTree, anySelection, (tree, selection) => {
      const { has } = partOf(selection)
      const found = selected(tree, selection)
      for (const [at, entry] of tree) {
        const isWanted = has(at, entry.type)
        const carries = [...tree].some(([other, { type }]) => other.startsWith(`${at}/`) && has(other, type))
        must(found.has(at) === (isWanted || (entry.type === 'directory' && carries)), `${at}`)
      }
    }),
    { numRuns: fuzzRuns(1000) }
  )
})

/** A pending file becomes an unselected directory, so the directory above it has no selected entries left. */
const pendingAndReplaced: [Map<TreePath, Entry>, Map<TreePath, Entry>, Selection, boolean] = [
  new Map<TreePath, Entry>([
    [path('c'), directory],
    [path('b'), directory],
    [path('b/a'), fileOf(0)]
  ]),
  new Map<TreePath, Entry>([
    [path('b'), { ...directory }],
    [path('b/a'), { ...directory }]
  ]),
  { only: ['**/c', 'a'], exclude: ['a/'] },
  true
]

test('the changes of a part lead to the part of the changed tree', (t) => {
  return holds(
    t,
    fc.asyncProperty(anyTree, anyTree, anySelection, fc.boolean(), async (old, now, selection, isPending) => {
      const base = selected(old, selection)
      // Some entries are not applied yet.
      const pending = new Map([...base].filter((_, i) => isPending && i % 2 === 1))
      for (const at of pending.keys()) base.delete(at)
      const changed = [...new Set([...old.keys(), ...now.keys()])].filter((at) => old.get(at) !== now.get(at))
      const asked: TreePath[] = []
      const changes = await changesOfPart({
        changes: (async function* () {
          for (const at of changed.sort()) yield [at, now.get(at)] as const
        })(),
        part: partOf(selection),
        before: { entry: (at) => base.get(at), keys: () => base.keys() },
        pending,
        accepts: () => true,
        entryAt: async (at) => {
          asked.push(at)
          return now.get(at)
        }
      })
      const result = new Map(base)
      for (const [at, entry] of changes) {
        if (entry === undefined) result.delete(at)
        else result.set(at, entry)
      }
      const want = selected(now, selection)
      for (const at of new Set([...result.keys(), ...want.keys()])) {
        must(JSON.stringify(result.get(at)) === JSON.stringify(want.get(at)), `${at} of ${[...want.keys()]}`)
      }
      for (const at of asked) must(old.get(at) === now.get(at), `${at} was told`)
    }),
    { numRuns: fuzzRuns(5000), examples: [pendingAndReplaced] }
  )
})
