import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { writeMarker } from '../../src/disk/state/marker.ts'
import type { SelectionRecord } from '../../src/disk/state/selection-file.ts'
import {
  describeSelection,
  type SelectOptions,
  selectFolder,
  selectIn,
  selectionChange
} from '../../src/mirror/change-selection.ts'
import { codeOf } from '../support/failure.ts'

const docs = { only: ['docs/'], exclude: ['*.tmp'] }
const number = { by: 'number', number: 7 } as const
const back = { by: 'back', count: 1 } as const
const found = { length: 7, timeMs: 1000 }

const changes: ReadonlyArray<
  [name: string, options: SelectOptions, before: SelectionRecord | undefined, after: SelectionRecord]
> = [
  ['a part replaces another', { only: ['a'] }, docs, { only: ['a'], exclude: [] }],
  [
    'a part leaves the version',
    { exclude: ['b'] },
    { ...docs, version: number, found },
    { only: [], exclude: ['b'], version: number, found }
  ],
  ['all of it', { all: true }, docs, { only: [], exclude: [] }],
  ['a version leaves the part', { version: '7' }, docs, { ...docs, version: number }],
  [
    'the same version stays found',
    { version: '7' },
    { ...docs, version: number, found },
    { ...docs, version: number, found }
  ],
  [
    'one counted back is counted anew',
    { version: '-1' },
    { ...docs, version: back, found },
    { ...docs, version: back }
  ],
  ['the newest', { latest: true }, { ...docs, version: number, found }, docs],
  ['the newest of all', { latest: true, all: true }, undefined, { only: [], exclude: [] }]
]

for (const [name, options, before, after] of changes) {
  test(`a change of the selection: ${name}`, (t) => {
    t.alike(
      selectionChange(options)?.(() => before),
      after
    )
  })
}

const refused: ReadonlyArray<SelectOptions> = [
  { all: true, only: ['a'] },
  { latest: true, version: '7' },
  { only: ['!a'] },
  { version: 'no version' }
]

for (const options of refused) {
  test(`refused: ${JSON.stringify(options)}`, async (t) => {
    t.is(await codeOf(() => selectionChange(options)), 'USAGE')
  })
}

test('without options nothing changes', async (t) => {
  t.is(selectionChange({}), undefined)
  const home = await t.tmp()
  t.alike(await selectIn(home, {}), { only: [], exclude: [], version: null, pending: null })
  t.alike(await selectIn(home, { only: ['a'], version: '-1' }), {
    only: ['a'],
    exclude: [],
    version: null,
    pending: back
  })
  t.alike(await selectIn(home, {}), { only: ['a'], exclude: [], version: null, pending: back })
})

test('a damaged selection can only be replaced as a whole', async (t) => {
  const damaged = () => {
    throw new RangeError('damaged')
  }
  t.is(await codeOf(() => selectionChange({ all: true })?.(damaged)), 'FOLDER_FORMAT')
  t.alike(selectionChange({ all: true, latest: true })?.(damaged), { only: [], exclude: [] })
})

test('only a mirror can select', async (t) => {
  const directory = await t.tmp()
  t.is(await codeOf(() => selectFolder(directory)), 'FOLDER_MISSING')
  mkdirSync(join(directory, '.p2psync'))
  writeMarker(directory, { format: 1, id: 'id', role: 'writer', key: null, state: null })
  t.is(await codeOf(() => selectFolder(directory)), 'FOLDER_ROLE')
  writeMarker(directory, { format: 1, id: 'id', role: 'reader', key: 'key', state: null })
  t.alike((await selectFolder(directory, { only: ['a'] })).only, ['a'])
})

test('a selection in words', (t) => {
  const words = (record: Partial<SelectionRecord>) => describeSelection({ only: [], exclude: [], ...record })
  t.is(words({}), undefined)
  t.is(words({ only: ['a', 'b'] }), 'only a, b')
  t.is(words({ exclude: ['a'] }), 'all but a')
  t.is(words(docs), 'only docs/ but not *.tmp')
  t.is(words({ version: number }), 'all of version 7')
  t.is(words({ version: back }), 'all of the version before the newest')
  t.is(words({ version: back, found }), 'all of version 7')
  t.is(words({ version: { by: 'back', count: 3 } }), 'all of the version 3 before the newest')
  t.is(words({ version: { by: 'time', timeMs: 0 } }), 'all of the last version at 1970-01-01T00:00:00.000Z')
})
