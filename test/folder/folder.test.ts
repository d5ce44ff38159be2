import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { assertMarker, type Folder, type OpenFolderOptions, openFolder } from '../../src/folder/folder.ts'
import { findFolder } from '../../src/folder/known-folder.ts'
import { codeOf } from '../support/failure.ts'

async function directoryOf(t: Assert): Promise<string> {
  const root = join(await t.tmp(), 'folder')
  mkdirSync(root)
  return root
}

/** Opens a folder, and lets go of it at once. */
function touch(root: string, options: OpenFolderOptions): Folder {
  const folder = openFolder(root, options)
  folder.lock.release()
  return folder
}

const source: OpenFolderOptions = { role: 'writer' }
const mirror: OpenFolderOptions = { role: 'reader', key: 'a key' }

test('a directory becomes a folder, once', async (t) => {
  const root = await directoryOf(t)
  const folder = openFolder(root, source)
  t.is(folder.marker.role, 'writer')
  t.is(await codeOf(() => openFolder(root, source)), 'LOCKED')
  folder.lock.release()
  t.is(touch(root, source).marker.id, folder.marker.id)
  t.is(JSON.parse(readFileSync(join(root, '.p2psync/folder.json'), 'utf8')).role, 'writer')
})

function replaceByFile(root: string): void {
  rmSync(root, { recursive: true })
  writeFileSync(root, '')
}

const refusals: ReadonlyArray<
  [name: string, code: string, prepare: (root: string) => void, options: OpenFolderOptions]
> = [
  ['a directory that is not there', 'FOLDER_MISSING', (root) => rmSync(root, { recursive: true }), source],
  ['a file', 'FOLDER_MISSING', replaceByFile, source],
  ['one that is no folder yet', 'FOLDER_MISSING', () => {}, { ...source, existing: true }],
  ['files, for a mirror', 'FOLDER_NOT_EMPTY', (root) => writeFileSync(join(root, 'a'), ''), mirror],
  ['a mirror, for a source', 'FOLDER_ROLE', (root) => touch(root, mirror), source],
  ['a source, for a mirror', 'FOLDER_ROLE', (root) => touch(root, source), mirror],
  ['a mirror of another key', 'FOLDER_OTHER_KEY', (root) => touch(root, { ...mirror, key: 'other' }), mirror],
  [
    'a store without its marker',
    'FOLDER_FORMAT',
    (root) => mkdirSync(join(root, '.p2psync/store'), { recursive: true }),
    source
  ]
]
for (const [name, code, prepare, options] of refusals) {
  test(`${name} is refused: ${code}`, async (t) => {
    const root = await directoryOf(t)
    prepare(root)
    t.is(await codeOf(() => openFolder(root, options)), code)
  })
}

test('a mirror adopts files when it is told to, and makes a new directory', async (t) => {
  const root = await directoryOf(t)
  writeFileSync(join(root, 'a'), '')
  t.is(touch(root, { ...mirror, adopt: true }).marker.key, 'a key')
  const fresh = join(await t.tmp(), 'new')
  touch(fresh, mirror)
  t.ok(existsSync(fresh))
})

test('state may lie elsewhere, but not in the folder, nor with that of another', async (t) => {
  const [root, other, state] = [await directoryOf(t), await directoryOf(t), join(await t.tmp(), 'state')]
  t.is(await codeOf(() => openFolder(root, { ...source, state: join(root, 'inside') })), 'USAGE')
  const { home, staging } = touch(root, { ...source, state })
  t.is(home, state)
  t.is(staging, join(root, '.p2psync/staging'), 'on the file system of the files')
  t.is(touch(root, source).home, state, 'the marker knows')
  t.is(await codeOf(() => openFolder(other, { ...source, state })), 'HALTED')
})

test('a folder whose disk is gone is no empty folder', async (t) => {
  const root = await directoryOf(t)
  const folder = touch(root, source)
  assertMarker(folder)
  renameSync(join(root, '.p2psync'), join(root, 'away'))
  t.is(await codeOf(() => assertMarker(folder)), 'HALTED')
  mkdirSync(join(root, 'else'))
  const another = touch(join(root, 'else'), source)
  t.is(await codeOf(() => assertMarker(folder, another.root)), 'HALTED', 'another in its place')
})

test('a folder is found by a directory within it, and opened by a link to it', async (t) => {
  const root = await directoryOf(t)
  const { marker } = touch(root, mirror)
  mkdirSync(join(root, 'a/b'), { recursive: true })
  const found = findFolder(join(root, 'a/b'))
  t.alike([found.root, found.inside, found.id, found.key, found.role], [root, 'a/b', marker.id, 'a key', 'reader'])
  t.is(findFolder(root).inside, '')
  t.is(await codeOf(() => findFolder(join(root, 'none'))), 'FOLDER_MISSING')
  const link = join(await t.tmp(), 'link')
  symlinkSync(root, link)
  t.is(touch(link, mirror).root, root)
})
