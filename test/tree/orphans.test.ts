import { test } from 'brittle'
import fc from 'fast-check'
import type { Entry } from '../../src/tree/entry.ts'
import { refuseOrphans } from '../../src/tree/orphans.ts'
import { comparePaths } from '../../src/tree/path.ts'
import type { Problem } from '../../src/tree/tree.ts'
import { directoryOf as directory, fileOf as file, symlinkOf as symlink } from '../support/entries.ts'
import { holds } from '../support/property.ts'
import { anyBaseline, isWellFormed, tree } from '../support/trees.ts'

const cases: ReadonlyArray<[name: string, entries: Record<string, Entry>, refused: string[]]> = [
  ['accepts paths in directories', { a: directory(), 'a/b': directory(), 'a/b/c': file('v1') }, []],
  ['accepts anything at the root', { a: file('v1'), b: symlink('a'), c: directory() }, []],
  ['refuses a path beneath a file', { a: file('v1'), 'a/b': file('v2') }, ['a/b']],
  ['refuses a path beneath a link', { a: symlink('/etc'), 'a/passwd': file('v1') }, ['a/passwd']],
  ['refuses a path without a directory', { 'a/b': file('v1') }, ['a/b']],
  [
    'refuses all beneath a directory that it refuses',
    { a: symlink('/etc'), 'a/b': directory(), 'a/b/c': file('v1') },
    ['a/b', 'a/b/c']
  ],
  ['goes on after a refusal', { a: symlink('x'), 'a/b': file('v1'), c: directory(), 'c/d': file('v2') }, ['a/b']]
]
for (const [name, entries, expected] of cases) {
  test(`refuseOrphans ${name}`, (t) => {
    const log = tree(entries)
    const problems: Problem[] = []
    const refused = refuseOrphans(
      log.keys(),
      (path) => log.get(path),
      (problem) => problems.push(problem)
    )
    t.alike([...refused], expected)
    t.alike(
      problems.map(({ path, action }) => [path, action]),
      expected.map((path) => [path, 'log']),
      'each is reported once'
    )
  })
}

test('refuseOrphans ignores paths without an entry in the log', (t) => {
  const gone = tree({ 'a/b': file('v1') }).keys()
  const refused = refuseOrphans(
    gone,
    () => undefined,
    () => {}
  )
  t.is(refused.size, 0)
})

test('refuseOrphans leaves a tree that a folder can hold', (t) =>
  holds(
    t,
    fc.property(anyBaseline, (log) => {
      const refused = refuseOrphans(
        [...log.keys()].sort(comparePaths),
        (path) => log.get(path),
        () => {}
      )
      return isWellFormed(new Map([...log].filter(([path]) => !refused.has(path))))
    }),
    { numRuns: 500 }
  ))
