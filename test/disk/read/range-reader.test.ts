import { renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { RangeReader } from '../../../src/disk/read/range-reader.ts'
import { isRacy, signatureOf } from '../../../src/disk/read/seen.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf } from '../../support/entries.ts'
import { until } from '../../support/until.ts'

/** Writes a file, waits until another change would show, and gives its signature. */
async function settled(path: string, content: string): Promise<string> {
  writeFileSync(path, content)
  await until(() => !isRacy(statSync(path), Date.now()), { what: 'the file to settle' })
  return signatureOf(statSync(path))
}

test('RangeReader reads ranges, and nothing beyond the end of a file', { skip: !tellsDescriptors }, async (t) => {
  const root = await t.tmp()
  const signature = await settled(join(root, 'file'), '0123456789')
  const before = descriptorCount()
  const reader = new RangeReader(root)
  const range = await reader.read(pathOf('file'), signature, 3, 4)
  t.is(range?.bytes.toString(), '3456')
  t.is(range?.certain, true)
  t.is(await reader.read(pathOf('file'), signature, 8, 4), undefined)
  t.is(await reader.read(pathOf('missing'), signature, 0, 1), undefined)
  reader.close()
  t.is(descriptorCount(), before)
})

test('RangeReader is certain of an unchanged file only, and opens a replaced file anew', async (t) => {
  const root = await t.tmp()
  const path = join(root, 'file')
  const signature = await settled(path, 'first')
  const reader = new RangeReader(root)
  t.teardown(() => reader.close())
  t.is((await reader.read(pathOf('file'), signature, 0, 5))?.certain, true)

  writeFileSync(join(root, 'new'), 'other')
  renameSync(join(root, 'new'), path)
  await until(() => !isRacy(statSync(path), Date.now()), { what: 'the replacement to settle' })
  const stale = await reader.read(pathOf('file'), `${signature}:another`, 0, 5)
  t.is(stale?.certain, false)
  t.is(stale?.bytes.toString(), 'other')
})

test('RangeReader reads a held file wherever it moves, until its release', async (t) => {
  const root = await t.tmp()
  const at = join(root, 'file')
  writeFileSync(at, 'content')
  const reader = new RangeReader(root, { shared: true })
  t.teardown(() => reader.close())
  reader.hold(at)
  renameSync(at, join(root, 'moved'))
  const bytes = await reader.readHeld(at, 3, 4)
  t.is(bytes?.toString(), 'tent')
  t.ok(bytes?.buffer instanceof SharedArrayBuffer)
  t.is(await reader.readHeld(at, 3, 5), undefined)
  reader.release(at)
  t.is(await reader.readHeld(at, 0, 1), undefined)
})
