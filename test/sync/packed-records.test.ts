import { test } from 'brittle'
import { PackedRecords } from '../../src/sync/packed-records.ts'
import { directoryOf, fileOf, hashOf, pathOf, symlinkOf } from '../support/entries.ts'

const extents = [
  { block: 3, blocks: 1, offset: 7, length: 5000, packed: true },
  { block: 4, blocks: 2, offset: 0, length: 5000, packed: false }
]
const records = [
  [pathOf('a'), { entry: directoryOf(), signature: '7:1.5' }],
  [pathOf('a/ü'), { entry: fileOf('x'.repeat(10_000), { extents }), signature: '10000:1.25:2:3' }],
  [pathOf('b'), { entry: symlinkOf('ünicode|😀'), signature: '' }]
] as const

test('packed records are given back as they were put', (t) => {
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

test('what was asked for last is not given again after it was changed or deleted', (t) => {
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
