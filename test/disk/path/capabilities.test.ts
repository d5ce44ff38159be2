import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { keepsAttributes, probeFileSystem } from '../../../src/disk/path/capabilities.ts'
import { exactFileSystem } from '../../../src/tree/file-system.ts'
import { codeOf } from '../../support/failure.ts'
import { OddDisk, oddTest } from '../../support/odd-file-system.ts'

const onLinux = process.platform === 'linux'

test('an ordinary file system is found to keep all as it is given', { skip: !onLinux }, async (t) => {
  const directory = await t.tmp()
  const { timesMs, ...traits } = probeFileSystem(directory)
  const { timesMs: _, ...exact } = exactFileSystem
  t.alike(traits, exact)
  t.is(timesMs[0], Number.NEGATIVE_INFINITY)
  t.alike(readdirSync(directory), [], 'nothing is left of the trial')
  t.ok(keepsAttributes(directory))
  t.is(await codeOf(async () => probeFileSystem(join(directory, 'missing'))), 'FOLDER_UNREADABLE')
})

oddTest('a file system like that of USB sticks is known', 'exfat', async (t) => {
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

oddTest('a file system that lists names in lower case is known', 'ntfs', async (t) => {
  const { root } = await OddDisk.make(t, 'ntfs')
  const traits = probeFileSystem(root)
  t.alike([traits.foldsCase, traits.keepsCase, traits.keepsModes], [true, false, false])
  t.is(traits.timeStepMs, 1)
})
