import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import fc from 'fast-check'
import { setMetadata } from '../../../src/disk/path/metadata.ts'
import { mtimeOf } from '../../../src/disk/read/seen.ts'
import { directoryOf as directory, fileOf as file, symlinkOf as symlink } from '../../support/entries.ts'
import { holds, must } from '../../support/property.ts'

/** Every supported file system can hold times up to this one. */
const latest = Date.UTC(2038, 0)

test('setMetadata sets a mode and a time that read back the same, to the millisecond', async (t) => {
  const at = join(await t.tmp(), 'f')
  writeFileSync(at, 'v1')
  await holds(
    t,
    fc.property(fc.integer({ min: -2_145_916_800_000, max: latest }), fc.nat(0o777), (mtimeMs, mode) => {
      setMetadata(at, file('v1', { mtimeMs, mode }))
      const stats = lstatSync(at)
      must(mtimeOf(stats) === mtimeMs, `${mtimeMs} became ${stats.mtimeMs}`)
      must((stats.mode & 0o7777) === mode, 'the mode differs')
    }),
    { numRuns: 500 }
  )
})

test('setMetadata sets the time and mode of a directory', async (t) => {
  const at = join(await t.tmp(), 'd')
  mkdirSync(at)
  setMetadata(at, directory({ mtimeMs: 1234, mode: 0o500 }))
  const stats = lstatSync(at)
  t.alike([mtimeOf(stats), stats.mode & 0o7777], [1234, 0o500])
})

test("setMetadata sets a symlink's own time and leaves the target alone", async (t) => {
  const root = await t.tmp()
  const at = join(root, 'link')
  writeFileSync(join(root, 'f'), 'v1')
  symlinkSync('f', at)
  const before = lstatSync(join(root, 'f')).mtimeMs
  setMetadata(at, symlink('f', { mtimeMs: 1234 }))
  t.is(mtimeOf(lstatSync(at)), 1234)
  t.is(lstatSync(join(root, 'f')).mtimeMs, before)
})

test('setMetadata does not follow a symlink in the place of a file', async (t) => {
  const root = await t.tmp()
  const at = join(root, 'link')
  const target = join(root, 'f')
  writeFileSync(target, 'v1', { mode: 0o600 })
  symlinkSync('f', at)
  const before = lstatSync(target)
  await t.exception.all(() => setMetadata(at, file('v1', { mtimeMs: 1234, mode: 0o644 })))
  t.alike([lstatSync(target).mode, lstatSync(target).mtimeMs], [before.mode, before.mtimeMs])
})
