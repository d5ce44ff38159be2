import { test } from 'brittle'
import { type CommitStage, countChanges, onlyDirectoryTimes, planCommit } from '../../src/publish/commit-plan.ts'
import type { Entry, Extent } from '../../src/tree/entry.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'

const dir = pathOf('dir')
const file = pathOf('dir/file')
const before = new Map<TreePath, Entry>([
  [dir, directoryOf({ mtimeMs: 1000 })],
  [file, fileOf('old')]
])
const baseline = { entry: (path: TreePath) => before.get(path) }

function taken(entries: Readonly<Record<string, Entry | undefined>>, chunks: ReadonlyMap<string, Extent> = new Map()) {
  const changes = new Map(Object.entries(entries).map(([path, entry]) => [pathOf(path), entry]))
  const records = new Map(
    [...changes].map(([path, entry]) => [path, entry === undefined ? undefined : { entry, signature: 's' }])
  )
  return { changes, records, chunks }
}

const newTime = taken({ dir: directoryOf({ mtimeMs: 2000 }) })
const edit = taken({ dir: directoryOf({ mtimeMs: 2000 }), 'dir/file': fileOf('new') })
const nothing = taken({})
/** The content of a file was read anew, and was what the log has. */
const onlySignature = { ...nothing, records: new Map([[file, { entry: fileOf('old'), signature: 'new' }]]) }
const complete = { hasVersion: true, isIncomplete: false }
const lastOfPass: CommitStage = { startup: false, last: true, everything: false }

interface Case {
  readonly taken: ReturnType<typeof taken> | typeof onlySignature
  readonly stage?: Partial<CommitStage>
  readonly log?: { readonly hasVersion: boolean; readonly isIncomplete: boolean }
}

/** What the plan appends, as paths; and its flags. */
interface Expected {
  readonly appends: boolean
  readonly changes: readonly string[]
  readonly records: readonly string[]
  readonly partial?: true
  readonly unfinished?: true
}

const cases: ReadonlyArray<[name: string, it: Case, expected: Expected | undefined]> = [
  ['an edit', { taken: edit }, { appends: true, changes: ['dir', 'dir/file'], records: ['dir', 'dir/file'] }],
  ['no change', { taken: nothing }, undefined],
  [
    'no change of an empty log',
    { taken: nothing, log: { ...complete, hasVersion: false } },
    { appends: true, changes: [], records: [] }
  ],
  [
    'no change, after a partial version',
    { taken: nothing, log: { ...complete, isIncomplete: true } },
    { appends: true, changes: [], records: [] }
  ],
  [
    'no change before the last commit, after a partial version',
    { taken: nothing, stage: { last: false }, log: { ...complete, isIncomplete: true } },
    undefined
  ],
  ['a new signature alone', { taken: onlySignature }, { appends: false, changes: [], records: ['dir/file'] }],
  ["a directory's time alone", { taken: newTime }, undefined],
  [
    "a directory's time alone, in a scan of everything",
    { taken: newTime, stage: { everything: true } },
    { appends: true, changes: ['dir'], records: ['dir'] }
  ],
  [
    'a part of the first pass',
    { taken: edit, stage: { startup: true, last: false } },
    { appends: true, changes: ['dir', 'dir/file'], records: ['dir', 'dir/file'], partial: true }
  ],
  [
    'the end of the first pass',
    { taken: edit, stage: { startup: true } },
    { appends: true, changes: ['dir', 'dir/file'], records: ['dir', 'dir/file'] }
  ],
  [
    'a part of a later pass',
    { taken: edit, stage: { last: false } },
    { appends: true, changes: ['dir', 'dir/file'], records: ['dir', 'dir/file'], unfinished: true }
  ]
]

for (const [name, { taken, stage, log = complete }, expected] of cases) {
  test(`planned for ${name}`, (t) => {
    const plan = planCommit(taken, baseline, { ...lastOfPass, ...stage }, log)
    if (expected === undefined) t.is(plan, undefined)
    else {
      const { appends, changes, records, partial = false, unfinished = false } = expected
      t.alike(
        plan && { ...plan, changes: [...plan.changes.keys()], records: [...plan.records.keys()], chunks: undefined },
        { appends, changes, records, partial, unfinished, chunks: undefined }
      )
    }
  })
}

test('chunks found anew are recorded though nothing changed', (t) => {
  const chunks = new Map([['00', { core: 0, block: 1, blocks: 1, offset: 0, length: 5, packed: false }]])
  const plan = planCommit({ ...nothing, chunks }, baseline, lastOfPass, complete)
  t.is(plan?.appends, false)
  t.alike(plan?.chunks, chunks)
})

test("a postponed time keeps the records of what isn't postponed", (t) => {
  const both = { ...newTime, records: new Map([...newTime.records, ...onlySignature.records]) }
  t.alike([...(planCommit(both, baseline, lastOfPass, complete)?.records.keys() ?? [])], ['dir/file'])
})

const times: ReadonlyArray<[name: string, changes: Readonly<Record<string, Entry | undefined>>, only: boolean]> = [
  ['no change', {}, false],
  ["a directory's time", { dir: directoryOf({ mtimeMs: 2000 }) }, true],
  ["a directory's mode", { dir: directoryOf({ mode: 0o700, mtimeMs: 2000 }) }, false],
  ['a new directory', { other: directoryOf() }, false],
  ['a removed directory', { dir: undefined }, false],
  ['a link in place of a directory', { dir: symlinkOf('x') }, false],
  ['a file as well', { dir: directoryOf({ mtimeMs: 2000 }), 'dir/file': fileOf('new') }, false]
]

for (const [name, changes, only] of times) {
  test(`${name} ${only ? 'is' : 'is not'} only times of directories`, (t) => {
    t.is(onlyDirectoryTimes(taken(changes).changes, baseline), only)
  })
}

test('puts and removals add up over the batches of a version', (t) => {
  const { changes } = taken({ a: fileOf('a'), b: undefined, c: directoryOf() })
  t.alike(countChanges(changes), { puts: 2, removals: 1 })
  t.alike(countChanges(changes, { puts: 10, removals: 5 }), { puts: 12, removals: 6 })
})
