import { test } from 'brittle'
import { encodePack } from '../../../src/format/pack-codec.ts'
import { encodeRelocations, type Relocation } from '../../../src/format/relocation-codec.ts'
import { ContentReader, NotToBeHad } from '../../../src/log/content/content.ts'
import { placeIn, Relocations, RelocationTable, restored } from '../../../src/log/content/relocations.ts'
import { UnfitSnapshot } from '../../../src/log/packed/snapshot.ts'
import type { Extent } from '../../../src/tree/entry.ts'
import { fileOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { headOf, openWriter } from '../../support/log.ts'

const signal = new AbortController().signal
const relocation: Relocation = {
  block: 3,
  to: 9,
  at: 100,
  bytes: 50,
  runs: [
    { offset: 5, length: 10 },
    { offset: 30, length: 20 }
  ]
}
const extent = (offset: number, length: number, block = 3): Extent => ({
  core: 0,
  block,
  blocks: 1,
  offset,
  length,
  packed: true
})

test('what was kept of a pack is found where it lies now, and nothing else', (t) => {
  const cases: ReadonlyArray<[offset: number, length: number, place: number | undefined]> = [
    [5, 10, 100],
    [7, 3, 102],
    [14, 1, 109],
    [30, 20, 110],
    [49, 1, 129],
    [0, 1, undefined],
    [4, 2, undefined],
    [14, 2, undefined],
    [20, 5, undefined],
    [49, 2, undefined],
    [5, 30, undefined]
  ]
  const relocations = new Relocations([relocation])
  for (const [offset, length, place] of cases) {
    t.is(placeIn(relocation, offset, length), place, `${offset} ${length}`)
    t.alike(relocations.moved(extent(offset, length)), place === undefined ? undefined : extent(place, length, 9))
  }
  t.absent(relocations.moved(extent(5, 10, 4)))
  t.absent(relocations.moved({ ...extent(5, 10), packed: false }), 'bare blocks are not moved')
})

test('what was moved more than once is found wherever it was', (t) => {
  const again = { block: 9, to: 12, at: 0, bytes: 200, runs: [{ offset: 100, length: 10 }] }
  const relocations = new Relocations([relocation, again])
  const blocks = (offset: number, length: number) =>
    [...relocations.places(extent(offset, length))].map((it) => it.block)
  t.alike(blocks(5, 10), [3, 9, 12])
  t.alike([...relocations.places(extent(7, 3))].at(-1), extent(2, 3, 12))
  t.alike(blocks(30, 20), [3, 9], 'what was not kept the second time')
  t.alike(blocks(20, 5), [3])
  t.is(relocations.lastOf(3), 12)
  t.is(relocations.lastOf(4), 4)
  const endless = new Relocations(
    Array.from({ length: 5000 }, (_, i) => ({ ...relocation, block: i, to: i + 1, at: 5 }))
  )
  t.ok([...endless.places(extent(5, 10, 0))].length <= 1002)
  t.ok(endless.lastOf(0) <= 1000)
})

test('an old pack is put together again, as far as it was kept', async (t) => {
  const old = Buffer.from(Array.from({ length: 50 }, (_, i) => i + 1))
  const pack = Buffer.concat([Buffer.alloc(100, 255), old.subarray(5, 15), old.subarray(30, 50), Buffer.alloc(9, 255)])
  const expected = Buffer.alloc(50)
  for (const { offset, length } of relocation.runs) expected.set(old.subarray(offset, offset + length), offset)
  t.alike(Buffer.from(restored(relocation, pack)), expected)
  t.ok((await failureOf(async () => restored(relocation, pack.subarray(0, 120)))) instanceof RangeError)
})

test('contents are read from the new pack where the old one has gone, and from the old one while it is there', async (t) => {
  const { writer, store } = await openWriter(t)
  const core = await store.named('content')
  // Who waits for a peer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const contents = Buffer.from(Array.from({ length: 50 }, (_, i) => i + 1))
  await writer.appendBlocks([
    await encodePack([contents]),
    await encodePack([Buffer.alloc(7, 255), contents.subarray(20, 40)]),
    await encodePack([contents.subarray(24, 36)])
  ])
  const moved = { block: 0, to: 1, at: 7, bytes: 50, runs: [{ offset: 20, length: 20 }] }
  const again = { block: 1, to: 2, at: 0, bytes: 27, runs: [{ offset: 11, length: 12 }] }
  const read = async (offset: number, length: number) => {
    const arrivals = { hasPeers: () => true, received: () => 0, patienceMs: 100 }
    const relocations = new Relocations([moved, again])
    const reader = new ContentReader(core, writer.places, arrivals, { relocations, directory: '' })
    const pieces: Buffer[] = []
    const entry = fileOf(contents.subarray(offset, offset + length), { extents: [extent(offset, length, 0)] })
    try {
      for await (const piece of reader.read(entry, signal)) pieces.push(Buffer.from(piece))
    } finally {
      await reader.close()
    }
    return Buffer.concat(pieces)
  }
  t.alike(await read(25, 10), contents.subarray(25, 35))
  t.alike(await read(0, 50), contents)
  await core.clear(0, 1)
  t.alike(await read(25, 10), contents.subarray(25, 35))
  t.alike(await read(20, 20), contents.subarray(20, 40))
  t.ok((await failureOf(() => read(0, 50))) instanceof NotToBeHad, 'nobody has the rest')
  await core.clear(1, 2)
  t.alike(await read(25, 10), contents.subarray(25, 35), 'it was moved once more')
  t.ok((await failureOf(() => read(20, 20))) instanceof NotToBeHad)
  const arrivals = { hasPeers: () => true, received: () => 0 }
  const more = { relocations: new Relocations([moved, again]), directory: '' }
  const reader = new ContentReader(core, writer.places, arrivals, more)
  const expected = Buffer.alloc(50)
  expected.set(contents.subarray(24, 36), 24)
  t.alike(Buffer.from(await reader.pack({ index: 0 }, signal)), expected, 'all that is left of a pack')
  await reader.close()
})

test('a table that is none, or is not there, tells of nothing', async (t) => {
  const { writer, store } = await openWriter(t)
  const core = await store.named('content')
  const [block] = await encodeRelocations([relocation])
  await writer.appendBlocks([block as Buffer, Buffer.from('nonsense'), await encodePack([Buffer.from([7])])])
  const of = async (pointer: { readonly block: number; readonly blocks: number } | undefined, hasPeers = false) => {
    const head = headOf({ contentLength: 3, ...(pointer && { relocations: pointer }) })
    return [...(await new RelocationTable().of(head, core, () => hasPeers, signal)).all]
  }
  t.alike(await of({ block: 0, blocks: 1 }), [relocation])
  t.alike(await of(undefined), [])
  t.alike(await of({ block: 1, blocks: 1 }), [], 'no pack')
  t.alike(await of({ block: 2, blocks: 1 }), [], 'another format')
  t.alike(await of({ block: 0, blocks: 2 }), [], 'half of it')
  t.alike(await of({ block: 2, blocks: 5 }), [], 'beyond the contents')
  const known = (relocations: { readonly block: number; readonly blocks: number }) =>
    failureOf(() => new RelocationTable().known(headOf({ contentLength: 3, relocations }), core, () => false, signal))
  for (const pointer of [
    { block: 1, blocks: 1 },
    { block: 2, blocks: 1 },
    { block: 2, blocks: 5 }
  ])
    t.ok((await known(pointer)) instanceof RangeError, 'whoever clears something by it is told')
  await core.clear(0, 1)
  t.alike(await of({ block: 0, blocks: 1 }), [], 'cleared')
  t.ok((await known({ block: 0, blocks: 1 })) instanceof UnfitSnapshot)
})
