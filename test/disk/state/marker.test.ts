import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { type Marker, markerPath, readMarker, writeMarker, writeWhole } from '../../../src/disk/state/marker.ts'
import { codeOf } from '../../support/failure.ts'

const marker: Marker = { format: 1, id: 'an-id', role: 'reader', key: 'k', state: null }

async function folder(t: Assert): Promise<string> {
  const root = await t.tmp()
  mkdirSync(join(root, '.p2psync'))
  return root
}

test('a marker reads back as it was written, again and again', async (t) => {
  const root = await folder(t)
  const markers: Marker[] = [
    marker,
    { ...marker, role: 'writer', key: null },
    { ...marker, state: '/somewhere/ünicode "quoted"' }
  ]
  for (const each of markers) {
    writeMarker(root, each)
    t.alike(readMarker(root), each)
  }
  t.alike(readdirSync(join(root, '.p2psync')), ['folder.json'], 'nothing else is left')
  t.is(markerPath(root), join(root, '.p2psync/folder.json'))
})

test('readMarker gives nothing for a directory without a marker', async (t) => {
  const root = await t.tmp()
  t.is(readMarker(root), undefined)
  t.is(readMarker(join(root, 'missing')), undefined)
  writeFileSync(join(root, '.p2psync'), 'a file in its place')
  t.is(readMarker(root), undefined)
})

test('unknown fields of a marker are skipped', async (t) => {
  const root = await folder(t)
  writeFileSync(markerPath(root), JSON.stringify({ ...marker, later: true }))
  t.alike(readMarker(root), marker)
})

for (const [what, text] of [
  ['that is empty', ''],
  ['that is cut off', JSON.stringify(marker).slice(0, -4)],
  ['that is of another format', JSON.stringify({ ...marker, format: 2 })],
  ['without an id', JSON.stringify({ ...marker, id: undefined })],
  ['that is of an unknown role', JSON.stringify({ ...marker, role: 'owner' })],
  ['with a key that is no text', JSON.stringify({ ...marker, key: 7 })],
  ['without a state', JSON.stringify({ ...marker, state: undefined })],
  ['that is null', 'null'],
  ['that is a list', '[]'],
  ['full of zeros, as a power cut leaves them,', '\0'.repeat(100)]
] as const) {
  test(`a marker ${what} is refused, and stays as it is`, async (t) => {
    const root = await folder(t)
    writeFileSync(markerPath(root), text)
    t.is(await codeOf(() => readMarker(root)), 'FOLDER_FORMAT')
    t.is(readFileSync(markerPath(root), 'utf8'), text)
  })
}

test('a marker that cannot be read is not taken for a missing one', async (t) => {
  const root = await folder(t)
  mkdirSync(markerPath(root))
  t.is(await codeOf(() => readMarker(root)), 'FOLDER_UNREADABLE')
})

test('a small file is replaced whole, readable by its owner alone', async (t) => {
  const path = join(await t.tmp(), 'file')
  writeFileSync(`${path}.new`, 'left by a run that was cut off, and longer than what comes')
  writeWhole(path, 'one')
  writeWhole(path, 'two')
  t.is(readFileSync(path, 'utf8'), 'two')
  t.is(lstatSync(path).mode & 0o077, 0)
  t.alike(readdirSync(join(path, '..')), ['file'])
})
