import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { Staging, WrongContent } from '../../../src/disk/write/stage.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { fileOf, hashOf, someTimeMs, symlinkOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'

async function* pieces(...contents: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const content of contents) yield Buffer.from(content)
}

async function openStaging(t: Assert): Promise<Staging> {
  const staging = new Staging(join(await t.tmp(), 'deep/staging'))
  staging.open()
  return staging
}

test('a staged file has the content, the mode and the time of its entry', async (t) => {
  const staging = await openStaging(t)
  const counts: number[] = []
  const entry = fileOf('one two', { mode: 0o515 })

  const at = await staging.file(entry, pieces('one', ' ', '', 'two'), (bytes) => counts.push(bytes))

  t.is(readFileSync(at, 'utf8'), 'one two')
  t.is(lstatSync(at).mode & 0o7777, 0o515)
  t.is(Math.floor(lstatSync(at).mtimeMs), someTimeMs)
  t.alike(counts, [3, 1, 0, 3])
  t.alike(readdirSync(staging.directory).length, 1)
})

test('an empty file is staged', async (t) => {
  const staging = await openStaging(t)
  const at = await staging.file(fileOf(''), pieces())
  t.is(lstatSync(at).size, 0)
})

test('a file whose mode forbids all is staged', async (t) => {
  const staging = await openStaging(t)
  const at = await staging.file(fileOf('x', { mode: 0 }), pieces('x'))
  t.is(lstatSync(at).mode & 0o7777, 0)
})

test('concurrent staged files are separate', async (t) => {
  const staging = await openStaging(t)
  const contents = Array.from({ length: 50 }, (_, i) => `content ${i}`)
  const at = await Promise.all(contents.map((content) => staging.file(fileOf(content), pieces(content))))
  t.alike(
    at.map((path) => readFileSync(path, 'utf8')),
    contents
  )
})

test('content other than the entry promises is refused, and nothing of it stays', async (t) => {
  const staging = await openStaging(t)
  const entry = fileOf('right')
  for (const [what, content] of [
    ['other bytes', pieces('wrong')],
    ['too few', pieces('righ')],
    ['none', pieces()],
    ['too many', pieces('right', '!')],
    ['far too many', pieces('right'.repeat(1000))]
  ] as const) {
    t.ok((await failureOf(() => staging.file(entry, content))) instanceof WrongContent, what)
  }
  const lie = { ...entry, size: 4 }
  t.ok((await failureOf(() => staging.file(lie, pieces('right')))) instanceof WrongContent, 'a size that lies')
  const lie2 = { ...entry, hash: hashOf('left') }
  t.ok((await failureOf(() => staging.file(lie2, pieces('right')))) instanceof WrongContent, 'a hash that lies')
  t.alike(readdirSync(staging.directory), [])
})

test('content that never ends is refused at its first byte too many', async (t) => {
  const staging = await openStaging(t)
  let given = 0
  const endless = async function* () {
    for (;;) yield Buffer.from(`${given++}`)
  }
  t.ok((await failureOf(() => staging.file(fileOf('01234'), endless()))) instanceof WrongContent)
  t.is(given, 6)
})

test('a source that fails leaves nothing behind, and is told as it is', { skip: !tellsDescriptors }, async (t) => {
  const staging = await openStaging(t)
  const before = descriptorCount()
  const gone = new Error('gone')
  const failing = async function* () {
    yield Buffer.from('x')
    throw gone
  }
  t.is(await failureOf(() => staging.file(fileOf('xy'), failing())), gone)
  t.alike(readdirSync(staging.directory), [])
  t.is(descriptorCount(), before)
})

test('a staged link is only data', async (t) => {
  const staging = await openStaging(t)
  const outside = join(await t.tmp(), 'outside')
  writeFileSync(outside, 'untouched')
  const mtimeMs = lstatSync(outside).mtimeMs
  const at = staging.symlink(symlinkOf(outside))
  t.is(readlinkSync(at), outside)
  t.is(Math.floor(lstatSync(at).mtimeMs), someTimeMs)
  t.is(lstatSync(outside).mtimeMs, mtimeMs, 'the time is that of the link')
})

test('staging is emptied when it is opened, without following what lies in it', async (t) => {
  const staging = await openStaging(t)
  const outside = await t.tmp()
  writeFileSync(join(outside, 'file'), '')
  writeFileSync(join(staging.directory, 'left'), '')
  mkdirSync(join(staging.directory, 'tree/deep'), { recursive: true })
  symlinkSync(outside, join(staging.directory, 'link'))

  staging.open()

  t.alike(readdirSync(staging.directory), [])
  t.alike(readdirSync(outside), ['file'])
  t.is(lstatSync(staging.directory).mode & 0o777, 0o700, 'for nobody else to look into')
})

test('discard removes a staged file, and does nothing the second time', async (t) => {
  const staging = await openStaging(t)
  const at = staging.symlink(symlinkOf('x'))
  staging.discard(at)
  staging.discard(at)
  t.alike(readdirSync(staging.directory), [])
})
