import { test } from 'brittle'
import { changeRecord, fieldsOf, versionRecord } from '../../src/query/records.ts'
import { directoryOf, fileOf, hashOf, pathOf, someTimeMs, symlinkOf } from '../support/entries.ts'
import { headOf } from '../support/log.ts'

const path = pathOf('a')
const mtimeMs = someTimeMs
const old = fileOf('old!')
const now = fileOf('new', { mode: 0o755 })
const fields = { path: 'a', kind: 'file', size: 3, mode: '0755', mtimeMs, hash: hashOf('new') }

test('an entry has the fields of its kind', (t) => {
  t.alike(fieldsOf(path, now), fields)
  t.alike(fieldsOf(path, directoryOf({ mode: 0o700 })), { path: 'a', kind: 'directory', mode: '0700', mtimeMs })
  t.alike(fieldsOf(path, symlinkOf('to')), { path: 'a', kind: 'symlink', mtimeMs, target: 'to' })
})

test('a version has the totals of its head', (t) => {
  const head = headOf({ timeMs: 9, files: 1, directories: 2, symlinks: 3, bytes: 4, puts: 5 })
  const totals = { timeMs: 9, files: 1, directories: 2, symlinks: 3, bytes: 4 }
  t.alike(versionRecord({ length: 7, fork: 8 }, head), { type: 'version', version: 7, fork: 8, ...totals })
})

test('a change has what the entry is, or was before it was removed', (t) => {
  t.alike(changeRecord(7, { type: 'added', path, after: now }), { type: 'added', version: 7, ...fields })
  const removed = changeRecord(7, { type: 'removed', path, before: now })
  t.alike(removed, { type: 'removed', version: 7, ...fields })
  const moved = changeRecord(7, { type: 'moved', from: pathOf('b'), path, after: now })
  t.alike(moved, { type: 'moved', from: 'b', version: 7, ...fields })
  const changed = changeRecord(7, { type: 'changed', path, before: old, after: now, onlyMetadata: false })
  t.alike(changed, { type: 'changed', version: 7, ...fields, sizeBefore: 4, metadata: false })
  const typed = changeRecord(7, { type: 'changed', path, before: directoryOf(), after: now, onlyMetadata: true })
  t.alike(typed, { type: 'changed', version: 7, ...fields, metadata: true }, 'a directory has no size')
})
