import { lstatSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { checkTarget, exportFile, exportLink, writeFailure } from '../../../src/disk/write/export.ts'
import { fileOf, symlinkOf } from '../../support/entries.ts'
import { codeOf } from '../../support/failure.ts'

async function* piecesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

test('exportFile writes the content, mode and time of an entry', async (t) => {
  const root = await t.tmp()
  const to = join(root, 'file')
  let bytes = 0
  const onBytes = (count: number) => {
    bytes += count
  }
  const entry = fileOf('two pieces', { mode: 0o640, mtimeMs: 1000 })
  await exportFile(to, entry, piecesOf('two ', 'pieces'), { replace: false, onBytes })
  t.is(readFileSync(to, 'utf8'), 'two pieces')
  t.alike([lstatSync(to).mode & 0o777, lstatSync(to).mtimeMs, bytes], [0o640, 1000, 10])
})

test('exportFile refuses wrong content and leaves nothing, nor changes an existing file', async (t) => {
  const root = await t.tmp()
  const to = join(root, 'file')
  writeFileSync(to, 'old')
  t.is(await codeOf(() => exportFile(to, fileOf('right'), piecesOf('wrong'), { replace: true })), 'DAMAGED')
  t.alike(readdirSync(root), ['file'])
  t.is(readFileSync(to, 'utf8'), 'old')
})

test('only replace lets an export take a name in use, also one taken meanwhile', async (t) => {
  const root = await t.tmp()
  const to = join(root, 'file')
  async function* late(): AsyncGenerator<Uint8Array> {
    writeFileSync(to, 'old')
    yield Buffer.from('new')
  }
  t.is(await codeOf(() => exportFile(to, fileOf('new'), late(), { replace: false })), 'FOLDER_NOT_EMPTY')
  t.is(await codeOf(() => exportFile(to, fileOf('new'), piecesOf('new'), { replace: false })), 'FOLDER_NOT_EMPTY')
  t.is(await codeOf(() => exportLink(to, symlinkOf('x'), { replace: false })), 'FOLDER_NOT_EMPTY')
  t.is(readFileSync(to, 'utf8'), 'old')
  await exportFile(to, fileOf('new'), piecesOf('new'), { replace: true })
  t.is(readFileSync(to, 'utf8'), 'new')
  exportLink(to, symlinkOf('target', { mtimeMs: 5000 }), { replace: true })
  t.alike([readlinkSync(to), lstatSync(to).mtimeMs], ['target', 5000])
  t.alike(readdirSync(root), ['file'])
})

test('checkTarget requires a parent, and a free name or a file to replace', async (t) => {
  const root = await t.tmp()
  symlinkSync('nowhere', join(root, 'link'))
  t.is(await codeOf(() => checkTarget(join(root, 'missing/file'), { replace: true })), 'FOLDER_MISSING')
  t.is(await codeOf(() => checkTarget(join(root, 'link'), { replace: false })), 'FOLDER_NOT_EMPTY')
  t.is(await codeOf(() => checkTarget(root, { replace: true })), 'FOLDER_NOT_EMPTY')
  await t.execution(() => checkTarget(join(root, 'link'), { replace: true }))
  await t.execution(() => checkTarget(join(root, 'new'), { replace: false }))
})

test('writeFailure names the full disk and leaves errors that are not of the system', async (t) => {
  const systemError = (code: string) => Object.assign(new Error(code), { code })
  t.is(await codeOf(() => Promise.reject(writeFailure('to', systemError('ENOSPC')))), 'DISK_FULL')
  t.is(await codeOf(() => Promise.reject(writeFailure('to', systemError('EACCES')))), 'FOLDER_UNREADABLE')
  const other = new Error('other')
  t.is(writeFailure('to', other), other)
})
