import { test } from 'brittle'
import { PackedRecords } from '../../src/baseline/packed-records.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, fileOf, hashOf, pathOf, symlinkOf } from '../support/entries.ts'

const extents = [
  { core: 0, block: 3, blocks: 1, offset: 7, length: 5000, packed: true },
  { core: 0, block: 4, blocks: 2, offset: 0, length: 5000, packed: false }
]
const records = [
  [pathOf('a'), { entry: directoryOf(), signature: '7:1.5' }],
  [pathOf('a/ü'), { entry: fileOf('x'.repeat(10_000), { extents }), signature: '10000:1.25:2:3' }],
  [pathOf('b'), { entry: symlinkOf('ünicode|😀'), signature: '' }]
] as const

test('packed records are returned as they were set', (t) => {
  const packed = new PackedRecords()
  for (const [path, record] of records) packed.set(path, record)
  t.is(packed.size, 3)
  for (const [path, { entry, signature }] of records) {
    t.alike(packed.get(path)?.entry, entry)
    t.is(packed.get(path)?.signature, signature)
  }
  t.alike(
    [...packed].map(([path, { entry }]) => [path, entry]),
    records.map(([path, { entry }]) => [path, entry])
  )
})

test('a changed or deleted record is not served from the cache', (t) => {
  const [[path, record]] = records
  const packed = new PackedRecords()
  packed.set(path, record)
  t.is(packed.get(path)?.signature, record.signature)
  packed.set(path, { ...record, signature: 'other' })
  t.is(packed.get(path)?.signature, 'other')
  packed.delete(path)
  t.is(packed.get(path), undefined)
  t.is(packed.get(pathOf(hashOf('never'))), undefined)
})

test('a file is marked unchanged only with its recorded signature', (t) => {
  const packed = new PackedRecords()
  for (const [path, record] of records) packed.set(path, record)
  const [, file, link] = records.map(([path]) => path) as [TreePath, TreePath, TreePath]
  const unchanged = packed.unchanged()
  for (const other of ['10000:1.25:2:4', '10000:1.25:2', '10000:1.25:2:3|', '']) {
    t.absent(unchanged.note(file, other), other)
  }
  t.absent(unchanged.note(link, ''), 'an entry without a signature is never unchanged')
  t.absent(unchanged.note(pathOf('never'), '10000:1.25:2:3'))
  t.absent(unchanged.has(file))
  t.ok(unchanged.note(file, '10000:1.25:2:3'))
  t.ok(unchanged.has(file))
  t.absent(packed.unchanged().has(file), 'a new round forgets the marks')
})
