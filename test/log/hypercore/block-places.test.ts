import { randomBytes } from 'node:crypto'
import { type Assert, test } from 'brittle'
import type Hypercore from 'hypercore'
import { type BlockFiles, BlockPlaces, type FoundBlock } from '../../../src/log/hypercore/block-places.ts'
import { leafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import { StallWatch } from '../../../src/log/hypercore/stall-watch.ts'
import { encodePlaced } from '../../../src/log/hypercore/stored-block.ts'
import type { BlockRef } from '../../../src/tree/block-ref.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

/** A file in memory that holds some blocks of a core, one behind the other. */
class OneFile implements BlockFiles {
  certain = true
  bytes = Buffer.alloc(0)
  first = 0

  async read({ index }: BlockRef, length: number, offsetOf: (block: number) => Promise<number>): Promise<FoundBlock> {
    const offset = (await offsetOf(index)) - (await offsetOf(this.first))
    return { bytes: this.bytes.subarray(offset, offset + length), certain: this.certain }
  }
}

interface Placed {
  readonly core: Hypercore
  readonly places: BlockPlaces
  readonly file: OneFile
}

async function openCore(
  t: Assert,
  key?: Buffer
): Promise<Placed & { readonly store: Awaited<ReturnType<typeof openStore>> }> {
  const store = await openStore(t)
  const core = key === undefined ? await store.named('content') : await store.keyed(key)
  const file = new OneFile()
  return { store, core, file, places: new BlockPlaces(core, file) }
}

/** Appends blocks of these lengths that lie in the file. */
async function appendPlaced({ core, places, file }: Placed, lengths: readonly number[]): Promise<readonly Buffer[]> {
  const blocks = lengths.map((length, i) => bytesOf(length, i))
  file.first = core.length
  file.bytes = Buffer.concat(blocks)
  await core.append(blocks.map((block) => places.placeholder(block.length, leafHash(block))))
  return blocks
}

const lengths = [200_000, 1, 300_000, ...Array.from({ length: 300 }, (_, i) => 100 + i)]

test('blocks that lie in a file are read from there, whatever stands before them', async (t) => {
  const placed = await openCore(t)
  await placed.core.append(['a', 'bc'].map((text) => Buffer.from(text)))
  const blocks = await appendPlaced(placed, lengths)
  await placed.core.append(Buffer.from('d'))
  const read = async (i: number) => (await placed.core.get(i)) as Buffer
  // Backwards, so that where each begins is asked of the log.
  for (let i = blocks.length - 1; i >= 0; i--) {
    if (!(await read(2 + i)).equals(blocks[i] as Buffer)) t.fail(`block ${i}`)
  }
  for (const [i, block] of blocks.entries()) if (!(await read(2 + i)).equals(block)) t.fail(`block ${i}`)
  t.is((await read(1)).toString(), 'bc')
  t.is((await read(2 + blocks.length)).toString(), 'd')
  t.is(await placed.places.lengthOf(2), 200_000)
  t.is(await placed.places.lengthOf(1), undefined, 'in the store')
  t.is((await placed.core.snapshot().get(4))?.length, 300_000, 'in a snapshot too')
})

test('a block that begins as a mark does comes back as it was', async (t) => {
  const { core, places } = await openCore(t)
  const odd = [encodePlaced(7), Buffer.concat([encodePlaced(7).subarray(0, 8), Buffer.from('more')])]
  await core.append(odd)
  for (const [i, block] of odd.entries()) t.ok((await core.get(i))?.equals(block))
  t.is(await places.lengthOf(0), undefined)
})

test('of a file that may have changed, what is as the log says is taken, and nothing else', async (t) => {
  const placed = await openCore(t)
  const [first = Buffer.alloc(0)] = await appendPlaced(placed, [1000, 1000])
  placed.file.bytes.fill(0, 1000)
  placed.file.certain = false
  t.ok((await placed.core.get(0))?.equals(first))
  t.is(await placed.core.get(1, { wait: false }), null)
})

test('blocks in files travel, and are put into a file where they are expected', async (t) => {
  const source = await openCore(t)
  const blocks = await appendPlaced(source, lengths)
  const reader = await openCore(t, source.core.key)
  await link(t, source.store, reader.store)

  reader.places.expect(0)
  const [first, second] = await Promise.all([reader.core.get(0), reader.core.get(1)])
  t.ok(first?.equals(blocks[0] as Buffer))
  t.is(await reader.places.lengthOf(0), 200_000)
  t.is(await reader.places.lengthOf(1), undefined, 'one that is not expected is kept in the store')
  t.ok((await reader.core.get(0))?.equals(blocks[0] as Buffer), 'held until it is written')
  reader.file.bytes = Buffer.concat([first as Buffer, second as Buffer])
  reader.places.written(0)
  t.ok((await reader.core.get(0))?.equals(blocks[0] as Buffer))
  reader.file.bytes = Buffer.alloc(300_000)
  reader.file.certain = false
  t.is(await reader.core.get(0, { wait: false }), null, 'from the file')
})

test('what was expected and not written is forgotten when it is abandoned', async (t) => {
  const source = await openCore(t)
  await appendPlaced(source, lengths)
  const reader = await openCore(t, source.core.key)
  await link(t, source.store, reader.store)
  for (const block of [0, 1]) reader.places.expect(block)
  await reader.core.get(0)
  await reader.places.abandon([0, 1])
  t.absent(await reader.core.has(0))
  await reader.core.get(1)
  t.is(await reader.places.lengthOf(1), undefined)
})

test('only what lies in no file any more is released, and what is left can be proved to others', async (t) => {
  const placed = await openCore(t)
  const inline = randomBytes(500)
  await placed.core.append(inline)
  const blocks = await appendPlaced(placed, lengths)
  await placed.places.release(0, placed.core.length, ({ index }) => index % 7 === 3)
  for (let i = 0; i < placed.core.length; i++) {
    if ((await placed.core.has(i)) !== (i === 0 || i % 7 === 3)) t.fail(`block ${i}`)
  }
  const reader = await openCore(t, placed.core.key)
  await link(t, placed.store, reader.store)
  t.ok((await reader.core.get(0))?.equals(inline))
  for (let i = 3; i < placed.core.length; i += 7) {
    if (!(await reader.core.get(i))?.equals(blocks[i - 1] as Buffer)) t.fail(`block ${i}`)
  }
  await placed.places.release(0, 2 ** 40, () => false)
  t.absent(await placed.core.has(3), 'beyond the end there is nothing')
})

test('a peer that had not what it said is asked again', { timeout: 20_000 }, async (t) => {
  const source = await openCore(t)
  const blocks = await appendPlaced(
    source,
    Array.from({ length: 60 }, () => 1000)
  )
  const { bytes } = source.file
  source.file.bytes = Buffer.alloc(bytes.length)
  source.file.certain = false
  const reader = await openCore(t, source.core.key)
  await link(t, source.store, reader.store)
  const watch = new StallWatch()
  t.teardown(() => watch.close())
  watch.add(reader.core)
  const all = Promise.all(blocks.map((_, i) => reader.core.get(i)))
  await until(() => reader.core.peers.some((peer) => peer.paused), { what: 'the refusals' })
  source.file.bytes = bytes
  t.ok((await all).every((block, i) => block?.equals(blocks[i] as Buffer)))
})

test('a block that was given up is there again, under its old number, when a file has its bytes once more', async (t) => {
  const placed = await openCore(t)
  const blocks = await appendPlaced(placed, lengths)
  const hash = leafHash(blocks[5] as Buffer)
  await placed.places.release(0, placed.core.length, () => false)
  t.absent(await placed.core.has(5))
  t.absent(await placed.places.reclaim(5, lengths[5] as number, leafHash(Buffer.from('other'))), 'by another hash')
  t.absent(await placed.places.reclaim(5, 1, hash), 'by another length')
  t.absent(await placed.places.reclaim(lengths.length, 1, hash), 'beyond the end')
  t.ok(await placed.places.reclaim(5, lengths[5] as number, hash))
  const reader = await openCore(t, placed.core.key)
  await link(t, placed.store, reader.store)
  t.ok((await reader.core.get(5))?.equals(blocks[5] as Buffer))
  t.absent(await placed.core.has(4))
})
