import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { openFolder } from '../../src/folder/folder.ts'
import { SpaceFromReplacedFiles } from '../../src/session/free-space.ts'
import { fileOf, hashOf } from '../support/entries.ts'

const mib = 1024 * 1024
const size = 40 * mib

test('each attempt frees twice as much of the replaced files, until one has helped', async (t) => {
  const root = join(await t.tmp(), 'folder')
  const folder = openFolder(root, { role: 'reader', key: 'a key' })
  t.teardown(() => folder.lock.release())
  const space = new SpaceFromReplacedFiles()
  t.is(space.free(folder), 0, 'nothing is kept')
  space.reset()

  const kept = join(root, '.p2psync/kept')
  mkdirSync(kept)
  for (let i = 0; i < 8; i++) {
    const hash = hashOf(`content ${i}`)
    // Files with holes take no space.
    writeFileSync(join(kept, hash), '')
    truncateSync(join(kept, hash), size)
    const entry = { ...fileOf(`content ${i}`), size, hash, extents: [] }
    writeFileSync(join(kept, `${hash}.json`), JSON.stringify({ format: 1, path: `f${i}`, keptMs: 1000 + i, entry }))
  }
  const left = () => readdirSync(kept).filter((name) => !name.endsWith('.json')).length
  t.is(space.free(folder), 2 * size, 'at least 64 MiB')
  t.is(space.free(folder), 4 * size, 'at least 128 MiB')
  t.is(left(), 2)
  space.reset()
  t.is(space.free(folder), 2 * size)
  t.is(left(), 0)
  t.is(space.free(folder), 0)
})
