import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { chunkBytesMax, chunkBytesMin } from '../../../src/chunk/chunker.ts'
import { type Chunk, hashFile, type ReadFile, readChunks, TornRead } from '../../../src/disk/read/read.ts'
import { signatureOf } from '../../../src/disk/read/seen.ts'
import { emptyHash } from '../../../src/tree/entry.ts'
import { bytesOf } from '../../support/bytes.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { hashOf, pathOf, someTimeMs } from '../../support/entries.ts'
import { codeOf, failureOf } from '../../support/failure.ts'
import { quiet } from '../../support/quiet.ts'

const name = pathOf('file')
/** More than is read at a time. */
const large = 11_000_000

async function readAll(
  root: string,
  onChunk: (index: number) => void = () => {}
): Promise<{ readonly chunks: readonly Chunk[]; readonly read: ReadFile }> {
  const reading = readChunks(root, name)
  const chunks: Chunk[] = []
  for (;;) {
    const { done, value } = await reading.next()
    if (done) return { chunks, read: value }
    chunks.push({ ...value, bytes: Buffer.from(value.bytes) })
    onChunk(chunks.length - 1)
  }
}

test('a file is read with its size, its hash, its mode and its time', async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  writeFileSync(file, 'content')
  chmodSync(file, 0o2640)
  utimesSync(file, someTimeMs / 1000 + 5e-7, someTimeMs / 1000 + 5e-7)
  await quiet(file)

  const { chunks, read } = await readAll(root)

  t.alike(
    chunks.map(({ bytes, hash }) => [bytes.toString(), hash]),
    [['content', hashOf('content')]]
  )
  const signature = signatureOf(lstatSync(file))
  t.alike(read, { mode: 0o640, mtimeMs: someTimeMs, size: 7, hash: hashOf('content'), signature })
  t.alike(await hashFile(root, name), read)
})

test('an empty file has no chunk, and the hash of nothing', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, name), '')
  const { chunks, read } = await readAll(root)
  t.is(chunks.length, 0)
  t.is(read.size, 0)
  t.is(read.hash, emptyHash)
})

test('a large file is read in chunks that together are the file', async (t) => {
  const root = await t.tmp()
  const content = bytesOf(large)
  writeFileSync(join(root, name), content)

  const { chunks, read } = await readAll(root)

  t.ok(chunks.length > 5)
  t.ok(Buffer.concat(chunks.map(({ bytes }) => bytes)).equals(content))
  t.ok(chunks.every(({ bytes, hash }) => hashOf(bytes) === hash))
  t.ok(chunks.every(({ bytes }) => bytes.length <= chunkBytesMax))
  t.ok(chunks.slice(0, -1).every(({ bytes }) => bytes.length > chunkBytesMin))
  t.is(read.size, large)
  t.is(read.hash, hashOf(content))
})

test('chunks stay cut where they were when a byte comes before them', async (t) => {
  const root = await t.tmp()
  const content = bytesOf(large)
  writeFileSync(join(root, name), content)
  const before = new Set((await readAll(root)).chunks.map(({ hash }) => hash))
  writeFileSync(join(root, name), Buffer.concat([Buffer.from('!'), content]))
  const after = (await readAll(root)).chunks.map(({ hash }) => hash)
  t.ok(after.filter((hash) => !before.has(hash)).length <= 2)
})

for (const size of [chunkBytesMin, chunkBytesMin + 1, chunkBytesMax, 2 * chunkBytesMax, 2 * chunkBytesMax + 1]) {
  test(`a file of ${size} equal bytes is read whole`, async (t) => {
    const root = await t.tmp()
    const content = Buffer.alloc(size, 7)
    writeFileSync(join(root, name), content)
    const { chunks, read } = await readAll(root)
    t.ok(Buffer.concat(chunks.map(({ bytes }) => bytes)).equals(content))
    t.alike([read.size, read.hash], [size, hashOf(content)])
  })
}

const tears: readonly (readonly [what: string, tear: (file: string) => void])[] = [
  ['is appended to', (file) => appendFileSync(file, 'more')],
  ['grows to twice its size', (file) => appendFileSync(file, bytesOf(large))],
  ['is cut short', (file) => truncateSync(file, large - 1)],
  ['is emptied', (file) => truncateSync(file, 0)],
  ['is overwritten at its end', (file) => overwrite(file, large - 10)],
  ['is overwritten at its beginning', (file) => overwrite(file, 0)],
  ['is given another mode', (file) => chmodSync(file, 0o600)]
]

function overwrite(file: string, position: number): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, 'torn', position)
  closeSync(fd)
}

for (const [what, tear] of tears) {
  test(`a file that ${what} while it is read is torn`, async (t) => {
    const root = await t.tmp()
    const file = join(root, name)
    writeFileSync(file, bytesOf(large))
    await quiet(file)
    const error = await failureOf(() => readAll(root, (index) => index === 0 && tear(file)))
    t.ok(error instanceof TornRead)
  })
}

test('a file that is replaced by another while it is read is torn', async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  const content = bytesOf(large)
  writeFileSync(file, content)
  writeFileSync(`${file}.new`, 'new')
  await quiet(file)
  const error = await failureOf(() => readAll(root, (index) => index === 0 && renameSync(`${file}.new`, file)))
  t.ok(error instanceof TornRead, 'the last link to what was read went, which changes its times')
})

test('a read waits until a further change of a recent file would show', async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  for (let i = 0; i < 20; i++) {
    writeFileSync(file, `${i}`)
    const { signature, hash } = await hashFile(root, name)
    const stats = lstatSync(file)
    t.is(hash, hashOf(`${i}`))
    t.is(signature, signatureOf(stats))
    t.ok(Date.now() - stats.ctimeMs >= 10, 'a tick of the clock of file times has passed')
  }
})

test('a read does not wait for a file with a time in the future', async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  writeFileSync(file, 'x')
  utimesSync(file, 4_102_444_800, 4_102_444_800)
  await quiet(file)
  t.is((await hashFile(root, name)).signature, signatureOf(lstatSync(file)))
})

test('a file that keeps changing is torn', async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  const timer = setInterval(() => writeFileSync(file, 'again'), 2)
  t.teardown(() => clearInterval(timer))
  writeFileSync(file, 'x')
  t.ok((await failureOf(() => hashFile(root, name))) instanceof TornRead)
})

test('only regular files are read', async (t) => {
  const root = await t.tmp()
  const outside = await t.tmp()
  writeFileSync(join(outside, 'file'), 'secret')
  symlinkSync(outside, join(root, 'directory-link'))
  symlinkSync(join(outside, 'file'), join(root, 'link'))
  mkdirSync(join(root, 'directory'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  const failure = (path: string) => failureOf(() => hashFile(root, pathOf(path)))

  t.ok((await failure('fifo')) instanceof TornRead, 'nor waited for')
  t.ok((await failure('directory')) instanceof TornRead)
  t.is(await codeOf(() => hashFile(root, pathOf('link'))), 'ELOOP')
  t.is(await codeOf(() => hashFile(root, pathOf('directory-link/file'))), 'ENOTDIR')
  t.is(await codeOf(() => hashFile(root, pathOf('missing'))), 'ENOENT')
})

test('reading leaves no descriptor open, also after a failure or an abort', { skip: !tellsDescriptors }, async (t) => {
  const root = await t.tmp()
  const file = join(root, name)
  writeFileSync(file, bytesOf(large))
  const before = descriptorCount()
  await hashFile(root, name)
  await failureOf(() => readAll(root, (index) => index === 0 && truncateSync(file, 1_000_000)))
  await failureOf(() => hashFile(root, pathOf('missing')))
  for await (const _ of readChunks(root, name)) break
  t.is(descriptorCount(), before)
})
