import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { keepsAttributes, probeFileSystem } from '../../../src/disk/path/capabilities.ts'
import { exactFileSystem } from '../../../src/tree/file-system.ts'
import { codeOf } from '../../support/failure.ts'
import { OddDisk, oddTest } from '../../support/odd-file-system.ts'

const onLinux = process.platform === 'linux'

test('an ordinary file system keeps names, modes and times exactly', { skip: !onLinux }, async (t) => {
  const directory = await t.tmp()
  const { timesMs, ...traits } = probeFileSystem(directory)
  const { timesMs: _, ...exact } = exactFileSystem
  t.alike(traits, exact)
  t.is(timesMs[0], Number.NEGATIVE_INFINITY)
  t.alike(readdirSync(directory), [], 'the probe removes its files')
  t.ok(keepsAttributes(directory))
  t.is(await codeOf(async () => probeFileSystem(join(directory, 'missing'))), 'FOLDER_UNREADABLE')
})

oddTest('the probe recognizes the traits of exFAT', 'exfat', async (t) => {
  const { root } = await OddDisk.make(t, 'exfat')
  t.alike(probeFileSystem(root), {
    foldsCase: true,
    foldsUnicode: 'none',
    keepsCase: true,
    keepsForm: true,
    keepsModes: false,
    timeStepMs: 2000,
    timesMs: [Date.UTC(1980, 0, 2), Date.UTC(2107, 11, 30)]
  })
  t.absent(keepsAttributes(root))
  t.alike(readdirSync(root), [])
})

oddTest('the probe recognizes a file system that lists names in lower case', 'ntfs', async (t) => {
  const { root } = await OddDisk.make(t, 'ntfs')
  const traits = probeFileSystem(root)
  t.alike([traits.foldsCase, traits.keepsCase, traits.keepsModes], [true, false, false])
  t.is(traits.timeStepMs, 1)
})
