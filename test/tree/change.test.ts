import { test } from 'brittle'
import { reportChanges } from '../../src/tree/change.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'

type Row = readonly [path: string, before: Entry | undefined, after: Entry | undefined]

const [one, two, empty] = [fileOf('one'), fileOf('two'), fileOf('')]
const cases: ReadonlyArray<[name: string, changes: readonly Row[], told: readonly string[]]> = [
  ['nothing where nothing is', [['a', undefined, undefined]], []],
  ['nothing that is as it was', [['a', one, fileOf('one')]], []],
  [
    'additions and removals',
    [
      ['a', undefined, one],
      ['b', two, undefined]
    ],
    ['added a', 'removed b']
  ],
  ['a new content', [['a', one, two]], ['changed a']],
  ['another mode alone', [['a', one, fileOf('one', { mode: 0o600 })]], ['changed a (metadata)']],
  ['another time alone', [['a', directoryOf(), directoryOf({ mtimeMs: 5 })]], ['changed a (metadata)']],
  ['another target', [['a', symlinkOf('x'), symlinkOf('y')]], ['changed a']],
  ['another type', [['a', one, directoryOf()]], ['changed a']],
  [
    'a file that is elsewhere',
    [
      ['a', one, undefined],
      ['b', undefined, one]
    ],
    ['moved a > b']
  ],
  [
    'a move before where it came from',
    [
      ['a', undefined, one],
      ['b', one, undefined]
    ],
    ['moved b > a']
  ],
  [
    'a move with another mode',
    [
      ['a', one, undefined],
      ['b', undefined, fileOf('one', { mode: 0o600 })]
    ],
    ['moved a > b']
  ],
  [
    'of many with one content, each once',
    [
      ['a', one, undefined],
      ['b', one, undefined],
      ['c', undefined, one],
      ['d', undefined, one],
      ['e', undefined, one]
    ],
    ['moved a > c', 'moved b > d', 'added e']
  ],
  [
    'one that went for good among moves',
    [
      ['a', one, undefined],
      ['b', one, undefined],
      ['c', undefined, one]
    ],
    ['removed b', 'moved a > c']
  ],
  [
    'no move of empty files',
    [
      ['a', empty, undefined],
      ['b', undefined, empty]
    ],
    ['removed a', 'added b']
  ],
  [
    'no move of directories and links',
    [
      ['a', directoryOf(), undefined],
      ['b', undefined, directoryOf()],
      ['c', symlinkOf('x'), undefined],
      ['d', undefined, symlinkOf('x')]
    ],
    ['removed a', 'added b', 'removed c', 'added d']
  ],
  [
    'a copy over another as a change',
    [
      ['a', one, undefined],
      ['b', two, one]
    ],
    ['removed a', 'changed b']
  ],
  [
    'an overwritten file as no source of a move',
    [
      ['a', one, two],
      ['b', undefined, one]
    ],
    ['changed a', 'added b']
  ]
]
for (const [name, changes, told] of cases) {
  test(`changes tell ${name}`, (t) => {
    const lines = reportChanges(changes.map(([path, before, after]) => ({ path: pathOf(path), before, after }))).map(
      (change) => {
        if (change.type === 'moved') return `moved ${change.from} > ${change.path}`
        return `${change.type} ${change.path}${change.type === 'changed' && change.onlyMetadata ? ' (metadata)' : ''}`
      }
    )
    t.alike(lines, told)
  })
}
