import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { stageFiles } from '../../../src/disk/write/stage-files.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { fileOf, someTimeMs } from '../../support/entries.ts'

test('small files are staged with content, mode and time', async (t) => {
  const directory = await t.tmp()
  const before = tellsDescriptors ? descriptorCount() : 0
  const files = [
    { name: 'a', entry: fileOf('one', { mode: 0o640 }), offset: 0 },
    { name: 'b', entry: fileOf('', { mode: 0o444 }), offset: 0 },
    { name: 'c', entry: fileOf('two', { mode: 0 }), offset: 3 },
    { name: 'd', entry: fileOf('ne', { mtimeMs: -1 }), offset: 1 }
  ]
  t.alike(stageFiles({ directory, bytes: Buffer.from('onetwo'), files }).answer, [null, null, null, null])
  t.alike(
    files.map(({ name }) => readFileSync(join(directory, name), 'utf8')),
    ['one', '', 'two', 'ne']
  )
  t.alike(
    files.map(({ name }) => lstatSync(join(directory, name)).mode & 0o7777),
    [0o640, 0o444, 0, 0o644]
  )
  t.alike(
    files.map(({ name }) => Math.floor(lstatSync(join(directory, name)).mtimeMs)),
    [someTimeMs, someTimeMs, someTimeMs, -1]
  )
  if (tellsDescriptors) t.is(descriptorCount(), before)
})

test('a small file that isn’t what its entry promises fails by itself, and nothing of it stays', async (t) => {
  const directory = await t.tmp()
  writeFileSync(join(directory, 'taken'), 'before')
  const files = [
    { name: 'wrong', entry: fileOf('other'), offset: 0 },
    { name: 'beyond', entry: fileOf('tent'), offset: 4 },
    { name: 'far', entry: fileOf('tent'), offset: 2 ** 40 },
    { name: 'taken', entry: fileOf('content'), offset: 0 },
    { name: 'right', entry: fileOf('content'), offset: 0 }
  ]
  const { answer } = stageFiles({ directory, bytes: Buffer.from('content'), files })
  t.alike(
    answer.map((failure) => failure?.isWrong),
    [true, true, true, false, undefined]
  )
  t.is(answer[3]?.error.code, 'EEXIST')
  t.alike(readdirSync(directory).sort(), ['right', 'taken'])
  t.is(readFileSync(join(directory, 'taken'), 'utf8'), 'before')
})
