import { truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { chunkBytesMax, cutPoint } from '../../../src/chunk/chunker.ts'
import type { LargeChunk } from '../../../src/disk/read/find-chunks.ts'
import { readLarge } from '../../../src/disk/read/large-file.ts'
import { sha256, TornRead } from '../../../src/disk/read/read.ts'
import { Workers } from '../../../src/disk/threads/workers.ts'
import { leafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import { bytesOf } from '../../support/bytes.ts'
import { failureOf } from '../../support/failure.ts'

const path = 'large' as TreePath

/** The chunks of a content, as they are by definition. */
function chunksOf(content: Buffer): LargeChunk[] {
  const chunks: LargeChunk[] = []
  for (let at = 0; at < content.length; ) {
    const length = cutPoint(content.subarray(at, at + chunkBytesMax), at + chunkBytesMax >= content.length)
    chunks.push({ length, hash: leafHash(content.subarray(at, at + length)) })
    at += length
  }
  return chunks
}

/** A reader of one file, that counts which jobs its threads are given. */
async function open(t: Assert) {
  const root = await t.tmp()
  const workers = new Workers()
  t.teardown(() => workers.close())
  const cuts: number[] = []
  const { run } = workers
  workers.run = ((kind: never, request: never, options: never) => {
    if (kind === 'cut-chunks') cuts.push((request as { readonly offset: number }).offset)
    return run.call(workers, kind, request, options)
  }) as typeof run
  return {
    cuts,
    at: join(root, path),
    async read(content: Buffer, before: readonly LargeChunk[]) {
      writeFileSync(join(root, path), content)
      utimesSync(join(root, path), 1000, 1000 + cuts.length)
      cuts.length = 0
      const found: LargeChunk[] = []
      const reading = readLarge(root, path, { workers, signal: new AbortController().signal, before })
      for (;;) {
        const { done, value } = await reading.next()
        if (done) return { found, file: value }
        found.push(value)
      }
    }
  }
}

const content = bytesOf(30_000_000)
const piece = (seed: number, length: number) => bytesOf(length, seed)
const joined = (...parts: readonly Buffer[]) => Buffer.concat(parts)

const versions: Readonly<Record<string, Buffer>> = {
  'as it was': content,
  'with a byte at its front': joined(piece(1, 1), content),
  'without its first bytes': content.subarray(1000),
  'overwritten in its middle': joined(content.subarray(0, 15_000_000), piece(2, 4096), content.subarray(15_004_096)),
  longer: joined(content, piece(3, 1_000_000)),
  shorter: content.subarray(0, 20_000_000),
  'shorter by a byte': content.subarray(0, content.length - 1),
  'with a part moved': joined(content.subarray(20_000_000), content.subarray(0, 20_000_000)),
  twice: joined(content, content),
  'another one': piece(4, 10_000_000),
  'of nothing but zeros': Buffer.alloc(10_000_000),
  small: piece(5, 10),
  empty: Buffer.alloc(0)
}

for (const [name, version] of Object.entries(versions)) {
  test(`the chunks of a file are the same, whatever it was before: ${name}`, async (t) => {
    const { read } = await open(t)
    for (const before of [[], chunksOf(content), chunksOf(Buffer.alloc(10_000_000)), chunksOf(version)]) {
      const { found, file } = await read(version, before)
      t.alike(found, chunksOf(version))
      t.is(file.hash, sha256(version))
    }
  })
}

test('of a file that was edited, only what changed is cut anew', async (t) => {
  const { read, cuts } = await open(t)
  const before = chunksOf(content)
  await read(content, before)
  t.is(cuts.length, 0)
  await read(versions['with a byte at its front'] as Buffer, before)
  t.alike(cuts, [0])
  await read(versions['overwritten in its middle'] as Buffer, before)
  t.is(cuts.length, 1)
  t.ok((cuts[0] as number) > 12_000_000)
  await read(versions.longer as Buffer, before)
  t.is(cuts.length, 1)
  t.ok((cuts[0] as number) > 25_000_000)
})

test('a file that becomes shorter while it is read is torn', async (t) => {
  const { at, cuts } = await open(t)
  const workers = new Workers()
  t.teardown(() => workers.close())
  for (const before of [[], chunksOf(content)]) {
    writeFileSync(at, content)
    utimesSync(at, 1000, 1000)
    cuts.length = 0
    const reading = readLarge(join(at, '..'), path, { workers, signal: new AbortController().signal, before })
    await reading.next()
    truncateSync(at, 5_000_000)
    const failure = await failureOf(async () => {
      for (;;) if ((await reading.next()).done) return
    })
    t.ok(failure instanceof TornRead)
  }
})
