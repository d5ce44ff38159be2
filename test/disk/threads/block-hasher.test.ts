import { test } from 'brittle'
import crypto from 'hypercore-crypto'
import { BlockHasher } from '../../../src/disk/threads/block-hasher.ts'
import { withSharedBytes } from '../../../src/disk/threads/shared-bytes.ts'
import { Workers } from '../../../src/disk/threads/workers.ts'

test('BlockHasher gives the hashes of Hypercore, on one thread unless there are many blocks', async (t) => {
  const workers = new Workers()
  t.teardown(() => workers.close())
  const hasher = new BlockHasher(workers)
  const blocks = [0, 1, 1000, 200_000, 200_000].map((length, i) => Buffer.alloc(length, i))
  const expected = blocks.map((block) => crypto.data(block))
  t.alike(await Promise.all(blocks.map((block) => hasher.hash(block, false))), expected)
  t.is(workers.threads, 1)
  t.alike(await Promise.all(blocks.map((block) => hasher.hash(block, true))), expected)
  t.is(workers.threads, 2)
})

test('withSharedBytes copies bytes into shared memory, and reuses it after success only', async (t) => {
  const buffers: ArrayBufferLike[] = []
  const use = async (bytes: Uint8Array) => {
    t.ok(bytes.buffer instanceof SharedArrayBuffer)
    buffers.push(bytes.buffer)
    return Buffer.from(bytes).toString()
  }
  t.is(await withSharedBytes(Buffer.from('one'), use), 'one')
  t.is(await withSharedBytes(Buffer.from('two'), use), 'two')
  t.is(buffers[0], buffers[1], 'the memory went back to the pool')

  const failing = withSharedBytes(Buffer.from('bad'), async (bytes) => {
    await use(bytes)
    throw new Error('a fault')
  })
  await t.exception(() => failing, /a fault/)
  await withSharedBytes(Buffer.from('next'), use)
  t.not(buffers[2], buffers[3], 'a thread may still read it')
})

test('withSharedBytes passes on bytes that are shared already', async (t) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(8))
  t.is(await withSharedBytes(bytes, async (same) => same), bytes)
})
