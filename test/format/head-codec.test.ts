import { isDeepStrictEqual } from 'node:util'
import { test } from 'brittle'
import fc from 'fast-check'
import { decodeHead, encodeHead, type Head, headFormat, headKey } from '../../src/format/head-codec.ts'
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
  snapshot: fc.record({ block: count, blocks: some, length: count, entries: count })
})

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
  snapshot: { block: 10, blocks: 11, length: 12, entries: 13 }
}

test('a head is decoded as it was encoded, whatever a later format puts after it', (t) =>
  holds(
    t,
    fc.property(anyHead, fc.uint8Array({ maxLength: 20 }), (written, later) => {
      const read = decodeHead(Buffer.concat([encodeHead(written), later]))
      must(isDeepStrictEqual(read, { ...written, snapshot: { ...written.snapshot } }), 'the same')
    }),
    { numRuns: 500 }
  ))

test('a head looks as FORMAT.md says, byte by byte', (t) =>
  t.is(encodeHead(head).toString('hex'), '01' + '03' + 'fde803' + '0203040506070809' + '0a0b0c0d'))

test('a head of a later format and with unknown flags is read as far as it is known', (t) => {
  const record = encodeHead(head)
  record[0] = headFormat + 1
  record[1] = 0b111
  t.alike(decodeHead(record), head)
})

test('a head of before versions of several batches is read: it is finished, and tells of none before it', (t) => {
  const record = encodeHead({ ...head, unfinished: false }).subarray(0, -5)
  const { snapshot: _, ...rest } = head
  t.alike(decodeHead(record), { ...rest, unfinished: false, before: 0 })
})

test('a head of before snapshots, or of a log without one, names none', (t) => {
  const { snapshot: _, ...rest } = head
  t.alike(decodeHead(encodeHead(head).subarray(0, -4)), rest)
  t.is(encodeHead(rest).length, encodeHead(head).length, 'so that what a later format adds has its place')
  t.alike(decodeHead(encodeHead(rest)), rest)
})

test('a clock before 1970 is written as 1970', (t) => t.is(decodeHead(encodeHead({ ...head, timeMs: -5 })).timeMs, 0))

test('the key of the head is no path', (t) => t.is(parseTreePath(headKey), undefined))

const refused: ReadonlyArray<[name: string, record: Uint8Array]> = [
  ['nothing', Buffer.alloc(0)],
  ['format 0', Buffer.alloc(20)],
  ['a head that ends too early', encodeHead(head).subarray(0, -2)],
  ['a number beyond 2^53', Buffer.concat([Buffer.of(1, 0), Buffer.alloc(90, 255)])]
]
for (const [name, record] of refused) {
  test(`decodeHead refuses ${name}`, (t) => t.ok(isRefused(record)))
}

test('decodeHead throws nothing but RangeError, whatever it is given', (t) =>
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 40 }), (record) => {
      if (!isRefused(record)) for (const number of numbersOf(decodeHead(record))) must(Number(number) >= 0, 'number')
    }),
    { numRuns: fuzzRuns(1000) }
  ))

function numbersOf({ snapshot, ...numbers }: Head): (number | boolean)[] {
  return [...Object.values(numbers), ...Object.values(snapshot ?? {})]
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
