import { isDeepStrictEqual } from 'node:util'
import { test } from 'brittle'
import * as c from 'compact-encoding'
import fc from 'fast-check'
import { encodePack, packBytesMax } from '../../src/format/pack-codec.ts'
import { decodeRelocations, encodeRelocations, type Relocation } from '../../src/format/relocation-codec.ts'
import { failureOf } from '../support/failure.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const runs = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 })), { maxLength: 40 })
  .map((pairs) => {
    let end = -1
    return pairs.map(([gap, length]) => {
      const offset = end + gap
      end = offset + length
      return { offset, length }
    })
  })
const anyRelocation: fc.Arbitrary<Relocation> = fc
  .record({
    block: fc.integer({ min: 0, max: 2 ** 40 }),
    to: fc.integer({ min: 2 ** 40 + 1, max: 2 ** 41 }),
    at: fc.integer({ min: 0, max: 1_000_000 }),
    bytes: fc.constant(packBytesMax),
    runs
  })
  .map((relocation) => ({ ...relocation }))

async function decoded(blocks: readonly Uint8Array[]): Promise<Relocation[]> {
  const all: Relocation[] = []
  for (const block of blocks) all.push(...(await decodeRelocations(block)))
  return all
}

test('relocations are decoded as they were encoded', (t) =>
  holds(
    t,
    fc.asyncProperty(fc.array(anyRelocation, { maxLength: 30 }), async (written) => {
      must(isDeepStrictEqual(await decoded(await encodeRelocations(written)), written), 'the same')
    })
  ))

test('many relocations take several blocks, each readable alone', async (t) => {
  const written = Array.from({ length: 60_000 }, (_, i) => {
    return { block: i, to: 100_000 + i, at: i, bytes: 1000, runs: [{ offset: i % 900, length: 7 }] }
  })
  const blocks = await encodeRelocations(written)
  t.ok(blocks.length > 1)
  t.alike(await decoded(blocks), written)
  t.is((await decodeRelocations(blocks[1] as Buffer))[0]?.block, (await decodeRelocations(blocks[0] as Buffer)).length)
})

test('the layout of relocations is that of FORMAT.md, byte by byte', async (t) => {
  const runs = [
    { offset: 5, length: 6 },
    { offset: 20, length: 10 }
  ]
  const [block] = await encodeRelocations([{ block: 1, to: 2, at: 3, bytes: 100, runs }])
  t.is(block?.toString('hex'), '00' + '01' + '01020364' + '02' + '0506' + '090a')
})

const packOf = (...numbers: readonly number[]) => encodePack(numbers.map((number) => c.encode(c.uint, number)))
const refused: ReadonlyArray<[what: string, numbers: readonly number[]]> = [
  ['nothing', []],
  ['another format', [2]],
  ['a pack that lies before the one that it has the contents of', [1, 5, 4, 0, 10, 1, 0, 5]],
  ['more contents than a pack has', [1, 1, 2, 0, packBytesMax + 1, 0]],
  ['a run without bytes', [1, 1, 2, 0, 10, 1, 0, 0]],
  ['a run that begins where the one before ends', [1, 1, 2, 0, 10, 2, 0, 5, 0, 5]],
  ['a run beyond the old pack', [1, 1, 2, 0, 10, 1, 6, 5]],
  ['a run beyond the new pack', [1, 1, 2, packBytesMax, 10, 1, 0, 5]],
  ['more runs than there are', [1, 1, 2, 0, 10, 1000, 0, 1]],
  ['an end in the middle', [1, 1, 2, 0, 10, 2, 0, 5, 1]]
]
for (const [what, numbers] of refused) {
  test(`decodeRelocations refuses ${what}`, async (t) => {
    const block = await packOf(...numbers)
    t.ok((await failureOf(() => decodeRelocations(block))) instanceof RangeError)
  })
}

test('decodeRelocations throws nothing but RangeError on any bytes', (t) =>
  holds(
    t,
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      const block = await encodePack([Buffer.of(1), bytes])
      await decodeRelocations(block).catch((error: unknown) => must(error instanceof RangeError, String(error)))
      await decodeRelocations(bytes).catch((error: unknown) => must(error instanceof RangeError, String(error)))
    }),
    { numRuns: fuzzRuns(1000) }
  ))
