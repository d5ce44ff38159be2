import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { chunkBytesMin } from '../../../src/chunk/chunker.ts'
import { hashFile } from '../../../src/disk/read/read.ts'
import { type ReadOutcome, readFiles } from '../../../src/disk/read/read-files.ts'
import { bytesOf } from '../../support/bytes.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf } from '../../support/entries.ts'
import { quiet } from '../../support/quiet.ts'

const start = 1
const roomBytes = 300_000

/** What comes of reading these paths of a folder, with the buffer that they were read into. */
function read(root: string, paths: readonly string[], bytes = roomBytes): [readonly ReadOutcome[], Buffer] {
  const { answer } = readFiles({ root, paths: paths.map(pathOf), buffer: new ArrayBuffer(bytes), start })
  return [answer.outcomes, Buffer.from(answer.buffer)]
}

async function folderOf(t: Assert, contents: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const root = await t.tmp()
  mkdirSync(join(root, 'deep/er'), { recursive: true })
  for (const [path, content] of Object.entries(contents)) writeFileSync(join(root, path), content)
  for (const path of Object.keys(contents)) await quiet(join(root, path))
  return root
}

test('readFiles gives the results of single reads, with contents one after the other', async (t) => {
  const contents = { a: bytesOf(5000, 1), 'deep/b': bytesOf(0, 2), 'deep/er/c': bytesOf(100_000, 3), d: bytesOf(1, 4) }
  const root = await folderOf(t, contents)
  const before = tellsDescriptors ? descriptorCount() : 0

  const [outcomes, buffer] = read(root, Object.keys(contents))

  let end = start
  for (const [i, [path, content]] of Object.entries(contents).entries()) {
    t.alike(outcomes[i], { ...(await hashFile(root, pathOf(path))), offset: end }, path)
    t.ok(buffer.subarray(end, end + content.length).equals(content), `the content of ${path}`)
    end += content.length
  }
  if (tellsDescriptors) t.is(descriptorCount(), before)
})

test('what a thread can’t read at once is left for later, and keeps nothing from being read', async (t) => {
  const root = await folderOf(t, { first: bytesOf(10, 1), large: bytesOf(chunkBytesMin, 2), last: bytesOf(20, 3) })
  execFileSync('mkfifo', [join(root, 'pipe')])
  writeFileSync(join(root, 'fresh'), 'just now')
  const [outcomes] = read(root, ['first', 'fresh', 'large', 'pipe', 'deep', 'last'])
  t.alike(outcomes.slice(1, 5), ['later', 'later', 'later', 'later'])
  t.alike(
    [outcomes[0], outcomes[5]].map((outcome) => typeof outcome === 'object' && 'offset' in outcome && outcome.offset),
    [1, 11]
  )
})

test('a file that has grown beyond what is left of the buffer is left for later', async (t) => {
  const root = await folderOf(t, { a: bytesOf(10, 1), b: bytesOf(11, 2), c: bytesOf(10, 3) })
  const [outcomes] = read(root, ['a', 'b', 'c'], start + 21)
  t.alike(
    outcomes.map((outcome) => (outcome === 'later' ? outcome : 'read')),
    ['read', 'later', 'read']
  )
})

test('a missing file or a symlink gives an error with its code', async (t) => {
  const root = await folderOf(t, { file: bytesOf(10, 1) })
  symlinkSync('file', join(root, 'link'))
  symlinkSync('deep', join(root, 'way'))
  writeFileSync(join(root, 'deep/file'), 'x')
  await quiet(join(root, 'deep/file'))
  const [outcomes] = read(root, ['gone', 'link', 'way/file', 'file'])
  t.alike(
    outcomes.map((outcome) => (typeof outcome === 'object' && 'error' in outcome ? outcome.error.code : 'read')),
    ['ENOENT', 'ELOOP', 'ENOTDIR', 'read']
  )
})
