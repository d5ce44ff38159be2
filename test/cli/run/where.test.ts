import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { parseVersion, parseWhere, pathWithin } from '../../../src/cli/run/where.ts'

test('parseWhere splits a version from a place', (t) => {
  t.alike(parseWhere('photos'), { place: 'photos', version: undefined })
  t.alike(parseWhere('photos@1234'), { place: 'photos', version: '1234' })
  t.alike(parseWhere('photos@-1'), { place: 'photos', version: '-1' })
  t.alike(parseWhere('me@home/photos@2h'), { place: 'me@home/photos', version: '2h' })
  t.alike(parseWhere('me@home'), { place: 'me@home', version: undefined })
})

test('parseWhere takes an existing directory as it is', async (t) => {
  const directory = join(await t.tmp(), 'photos@1234')
  mkdirSync(directory)
  t.alike(parseWhere(directory), { place: directory, version: undefined })
  t.alike(parseWhere(`${directory}@7`), { place: directory, version: '7' })
})

test('parseVersion accepts a version with and without @', async (t) => {
  t.alike(['@7', '7', '-1', '2h', '2026-11-20T12:00'].map(parseVersion), ['7', '7', '-1', '2h', '2026-11-20T12:00'])
  await t.exception.all(() => parseVersion('yesterday'), /Give a version/)
})

test('pathWithin joins the named directory and the path, without dots and outer slashes', (t) => {
  const folder = { root: '/f', home: '/f/.p2psync', id: 'id', role: 'writer' as const, inside: '', key: undefined }
  const within = { folder: { ...folder, inside: 'docs' } }
  t.alike(pathWithin({ folder }, undefined), {})
  t.alike(pathWithin({ folder }, '.'), {})
  t.alike(pathWithin({ folder }, './a/b/'), { path: 'a/b' })
  t.alike(pathWithin({ folder: undefined }, '/a/.'), { path: 'a' })
  t.alike(pathWithin(within, undefined), { path: 'docs' })
  t.alike(pathWithin(within, './a'), { path: 'docs/a' })
})
