import { isDeepStrictEqual } from 'node:util'
import { test } from 'brittle'
import fc from 'fast-check'
import { decodeHead, deltasMax, encodeHead, type Head, headFormat, headKey } from '../../src/format/head-codec.ts'
import { parseTreePath } from '../../src/tree/path.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const count = fc.maxSafeNat()
const some = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const anyHead: fc.Arbitrary<Head> = fc.record({
  timeMs: count,
  partial: fc.boolean(),
  unfinished: fc.boolean(),
  files: count,
  directories: count,
  symlinks: count,
  bytes: count,
  puts: count,
  removals: count,
  contentLength: count,
  before: count,
  snapshot: fc.record({ block: count, blocks: some, length: count, entries: count }),
  deltas: fc.array(fc.record({ block: count, blocks: count, since: count, length: count, entries: count }), {
    minLength: 1,
    maxLength: deltasMax
  }),
  firsts: fc.array(
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    { minLength: 1, maxLength: 9 }
  ),
  relocations: fc.record({ block: count, blocks: some })
})

const delta = { block: 14, blocks: 15, since: 16, length: 17, entries: 18 }
const head: Head = {
  timeMs: 1000,
  partial: true,
  unfinished: true,
  files: 2,
  directories: 3,
  symlinks: 4,
  bytes: 5,
  puts: 6,
  removals: 7,
  contentLength: 8,
  before: 9,
  snapshot: { block: 10, blocks: 11, length: 12, entries: 13 },
  deltas: [delta],
  firsts: [Buffer.from('a'), Buffer.from('b/c')],
  relocations: { block: 19, blocks: 20 }
}

test('a head survives encoding, with any fields of a later format after it', (t) =>
  holds(
    t,
    fc.property(anyHead, fc.uint8Array({ maxLength: 20 }), (written, later) => {
      const read = decodeHead(Buffer.concat([encodeHead(written), later]))
      must(
        isDeepStrictEqual(read, {
          ...written,
          snapshot: { ...written.snapshot },
          deltas: written.deltas?.map((delta) => ({ ...delta })),
          relocations: { ...written.relocations }
        }),
        'the same'
      )
    }),
    { numRuns: 500 }
  ))

test('the layout of a head is that of FORMAT.md, byte by byte', (t) =>
  t.is(
    encodeHead(head).toString('hex'),
    '01' + '03' + 'fde803' + '0203040506070809' + '0a0b0c0d' + '01' + '0e0f101112' + '02' + '0161' + '03622f63' + '1314'
  ))

test('the known fields of a head of a later format, with unknown flags, are read', (t) => {
  const record = encodeHead(head)
  record[0] = headFormat + 1
  record[1] = 0b111
  t.alike(decodeHead(record), head)
})

const { relocations: _relocations, ...withoutRelocations } = head
const { firsts: _firsts, ...withoutFirsts } = withoutRelocations
const { deltas: _deltas, ...withoutDeltas } = withoutFirsts
const { snapshot: _snapshot, ...withoutSnapshot } = withoutDeltas
const relocationsBytes = 2
const firstsBytes = 7 + relocationsBytes
const deltasBytes = 6 + firstsBytes

test('a head written before versions had several batches counts as finished, with no version before it', (t) => {
  const record = encodeHead({ ...head, unfinished: false }).subarray(0, -deltasBytes - 5)
  t.alike(decodeHead(record), { ...withoutSnapshot, unfinished: false, before: 0 })
})

test('a head written before snapshots existed, or of a log without one, names none', (t) => {
  t.alike(decodeHead(encodeHead(head).subarray(0, -deltasBytes - 4)), withoutSnapshot)
  const record = encodeHead(withoutSnapshot)
  t.is(record.length, encodeHead(withoutDeltas).length, 'so that fields of a later format have their place')
  t.alike(decodeHead(record), withoutSnapshot)
})

test('a head written before deltas existed names none', (t) => {
  t.alike(decodeHead(encodeHead(head).subarray(0, -deltasBytes)), withoutDeltas)
  t.alike(decodeHead(encodeHead(withoutDeltas)), withoutDeltas)
})

test('a head written before first paths existed names none', (t) => {
  t.alike(decodeHead(encodeHead(head).subarray(0, -firstsBytes)), withoutFirsts)
})

test('a head written before relocations existed names none', (t) => {
  t.alike(decodeHead(encodeHead(head).subarray(0, -relocationsBytes)), withoutRelocations)
  t.alike(decodeHead(encodeHead(withoutRelocations)), withoutRelocations)
})

test('a clock before 1970 is written as 1970', (t) => t.is(decodeHead(encodeHead({ ...head, timeMs: -5 })).timeMs, 0))

test('the key of the head is no path', (t) => t.is(parseTreePath(headKey), undefined))

const refused: ReadonlyArray<[name: string, record: Uint8Array]> = [
  ['nothing', Buffer.alloc(0)],
  ['format 0', Buffer.alloc(20)],
  ['a head that ends too early', encodeHead(head).subarray(0, -1)],
  [
    'more deltas than a head names',
    encodeHead({ ...head, deltas: Array.from({ length: deltasMax + 1 }, () => delta) })
  ],
  ['a number beyond 2^53', Buffer.concat([Buffer.of(1, 0), Buffer.alloc(90, 255)])]
]
for (const [name, record] of refused) {
  test(`decodeHead refuses ${name}`, (t) => t.ok(isRefused(record)))
}

test('decodeHead throws nothing but RangeError on any bytes', (t) =>
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 40 }), (record) => {
      if (!isRefused(record)) for (const number of numbersOf(decodeHead(record))) must(Number(number) >= 0, 'number')
    }),
    { numRuns: fuzzRuns(1000) }
  ))

function numbersOf({ snapshot, deltas = [], firsts: _, relocations, ...numbers }: Head): (number | boolean)[] {
  return [numbers, snapshot ?? {}, relocations ?? {}, ...deltas].flatMap((it) => Object.values(it))
}

/** Whether a record is refused as it should be; any other error is thrown on. */
function isRefused(record: Uint8Array): boolean {
  try {
    decodeHead(record)
    return false
  } catch (error) {
    if (error instanceof RangeError) return true
    throw error
  }
}
