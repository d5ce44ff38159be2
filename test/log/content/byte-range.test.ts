import { test } from 'brittle'
import fc from 'fast-check'
import { extentsOf } from '../../../src/log/content/byte-range.ts'
import { ContentReader } from '../../../src/log/content/content.ts'
import { noRelocations } from '../../../src/log/content/relocations.ts'
import { BlockPlaces, noFiles } from '../../../src/log/hypercore/block-places.ts'
import type { Extent } from '../../../src/tree/entry.ts'
import { bytesOf } from '../../support/bytes.ts'
import { fileOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { openStore } from '../../support/log.ts'
import { holds, must } from '../../support/property.ts'

test('a part of a file is read alike from runs of blocks of any size, and from where they begin', async (t) => {
  const store = await openStore(t)
  const content = await store.named('content')
  const sizes = [10, 1, 300, 7, 7, 64, 1000, 3, 128, 5]
  const blocks = sizes.map((size, i) => Buffer.from(bytesOf(size, i)))
  await content.append(blocks)
  const places = new BlockPlaces(content, noFiles)
  const run = (block: number, count: number, offset: number, length: number): Extent => ({
    core: 0,
    block,
    blocks: count,
    offset,
    length,
    packed: false
  })
  const bytesIn = ({ block, blocks: count, offset, length }: Extent) =>
    Buffer.concat(blocks.slice(block, block + count)).subarray(offset, offset + length)
  // One after the other, one from within a block, one that ends within a block, and one block twice.
  const extents = [run(2, 3, 0, 314), run(6, 2, 100, 903), run(0, 3, 0, 200), run(5, 1, 10, 20), run(5, 1, 10, 20)]
  const whole = Buffer.concat(extents.map(bytesIn))
  const file = fileOf(whole, { extents })
  const arrivals = { hasPeers: () => true, received: () => 0 }
  const signal = new AbortController().signal
  const read = async (start: number, end: number) => {
    const reader = new ContentReader(content, places, arrivals, { relocations: noRelocations, directory: '' })
    const pieces: Buffer[] = []
    const parts = await extentsOf(file, { start, end }, content, places)
    for await (const piece of reader.read({ ...file, extents: parts, size: end - start }, signal))
      pieces.push(Buffer.from(piece))
    await reader.close()
    return { bytes: Buffer.concat(pieces), parts }
  }
  await holds(
    t,
    fc.asyncProperty(fc.nat(whole.length), fc.nat(whole.length), async (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a]
      const { bytes } = await read(start, end)
      must(bytes.equals(whole.subarray(start, end)), `${start} to ${end}`)
    }),
    { numRuns: 300 }
  )
  t.alike((await read(311, 313)).parts, [run(4, 1, 4, 2)], 'blocks that come before are passed over')
})

test('extents that tell nonsense are refused', async (t) => {
  const content = await (await openStore(t)).named('content')
  await content.append([Buffer.alloc(10), Buffer.alloc(10), Buffer.alloc(10)])
  const places = new BlockPlaces(content, noFiles)
  const extents = [{ core: 0, block: 0, blocks: 1, offset: 0, length: 30, packed: false }]
  const file = fileOf(Buffer.alloc(30), { extents })
  const error = await failureOf(() => extentsOf(file, { start: 15, end: 20 }, content, places))
  t.ok(error instanceof RangeError, String(error))
})
