import { test } from 'brittle'
import { hasReplacedDirectory, unreadableAfter, withoutDirectory } from '../../src/publish/watched-directories.ts'
import type { BaselineRecord, ScanDiff } from '../../src/tree/diff.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'

const paths = (...texts: readonly string[]) => texts.map(pathOf)

test('no directory is at the paths of files, links and removals', (t) => {
  const diff: ScanDiff = {
    removals: paths('gone/child', 'gone'),
    suspects: paths('file'),
    moves: [[pathOf('moved'), fileOf('x'), 's']],
    puts: [
      [pathOf('link'), symlinkOf('x'), ''],
      [pathOf('directory'), directoryOf(), 's']
    ]
  }
  t.alike([...withoutDirectory(diff)], ['gone/child', 'gone', 'file', 'moved', 'link'])
})

const dir = pathOf('dir')
const link = ['link', symlinkOf('x'), 's2'] as const
const replaced: ReadonlyArray<
  [
    name: string,
    known: BaselineRecord | undefined,
    put: readonly [string, ReturnType<typeof directoryOf> | ReturnType<typeof symlinkOf>, string],
    is: boolean
  ]
> = [
  ['another directory at its path', { entry: directoryOf(), signature: 's1' }, ['dir', directoryOf(), 's2'], true],
  [
    'the same directory with a new mode',
    { entry: directoryOf(), signature: 's1' },
    ['dir', directoryOf({ mode: 0o700 }), 's1'],
    false
  ],
  [
    'a directory that was recorded without a signature',
    { entry: directoryOf(), signature: '' },
    ['dir', directoryOf(), 's2'],
    false
  ],
  ['a new directory', undefined, ['dir', directoryOf(), 's2'], false],
  ['a directory in place of a file', { entry: fileOf('x'), signature: 's1' }, ['dir', directoryOf(), 's2'], false],
  ['a link in place of a directory', { entry: directoryOf(), signature: 's1' }, ['dir', link[1], 's2'], false]
]

for (const [name, known, [path, entry, signature], is] of replaced) {
  test(`${name} ${is ? 'has' : 'has not'} replaced a directory`, (t) => {
    const records = new Map<TreePath, BaselineRecord>(known === undefined ? [] : [[dir, known]])
    t.is(hasReplacedDirectory({ puts: [[pathOf(path), entry, signature]] }, records), is)
  })
}

const everywhere = () => true
const nowhere = () => false

const unreadable: ReadonlyArray<
  [
    name: string,
    before: readonly string[],
    now: readonly string[],
    covers: () => boolean,
    after: readonly string[],
    again: boolean
  ]
> = [
  ['one that stays unreadable', ['a'], ['a'], everywhere, ['a'], false],
  ['one that is new', [], ['a'], everywhere, ['a'], false],
  ['one that was read', ['a'], [], everywhere, [], true],
  ['one that the scan did not reach', ['a'], [], nowhere, ['a'], false],
  ['one that was read, and one that is new', ['a'], ['b'], everywhere, ['b'], true]
]

for (const [name, before, now, covers, after, isReadableAgain] of unreadable) {
  test(`unreadable: ${name}`, (t) => {
    const found = unreadableAfter({ unreadable: new Set(paths(...now)), covers }, new Set(paths(...before)))
    t.alike([[...found.paths], found.isReadableAgain], [paths(...after), isReadableAgain])
  })
}
