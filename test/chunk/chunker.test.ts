import { createHash } from 'node:crypto'
import { test } from 'brittle'
import fc from 'fast-check'
import { chunkBytesAverage, chunkBytesMax, chunkBytesMin, cutPoint } from '../../src/chunk/chunker.ts'
import { bytesOf } from '../support/bytes.ts'
import { holds, must } from '../support/property.ts'

const mib = 1024 * 1024

function chunksOf(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let start = 0; start < bytes.length; ) {
    const length = cutPoint(bytes.subarray(start), true)
    must(length > 0, 'no cut is found')
    chunks.push(bytes.subarray(start, start + length))
    start += length
  }
  return chunks
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const cases: ReadonlyArray<[name: string, bytes: Buffer, last: boolean, length: number]> = [
  ['returns 0 for no bytes', Buffer.alloc(0), true, 0],
  ['takes a short remainder whole', bytesOf(10, 1), true, 10],
  ['needs more than a few bytes', bytesOf(10, 1), false, 0],
  ['takes a remainder of the smallest size whole', bytesOf(chunkBytesMin, 1), true, chunkBytesMin],
  ['needs more bytes at the smallest size', bytesOf(chunkBytesMin, 1), false, 0],
  ['cuts at the largest size when the content has no cut', Buffer.alloc(chunkBytesMax), false, chunkBytesMax],
  ['needs more bytes just below the largest size', Buffer.alloc(chunkBytesMax - 1), false, 0],
  [
    'takes bytes just below the largest size if they are the last',
    Buffer.alloc(chunkBytesMax - 1),
    true,
    chunkBytesMax - 1
  ],
  ['never reads beyond the largest size', Buffer.alloc(chunkBytesMax + 1), true, chunkBytesMax]
]
for (const [name, bytes, last, length] of cases) {
  test(`cutPoint ${name}`, (t) => t.is(cutPoint(bytes, last), length))
}

test('the cuts stay the same, so that stored chunks are found again', (t) => {
  const lengths = chunksOf(bytesOf(4 * mib, 1)).map(({ length }) => length)
  t.alike(lengths, [609_911, 273_920, 161_646, 875_013, 908_564, 170_957, 535_560, 658_733])
})

test('chunks add up to the input, and all but the last keep to the size limits', (t) =>
  holds(
    t,
    fc.property(fc.nat(3 * mib), fc.integer(), fc.boolean(), (length, seed, sparse) => {
      const bytes = bytesOf(length, seed)
      if (sparse) bytes.fill(0, length >>> 2)
      const chunks = chunksOf(bytes)
      must(Buffer.concat(chunks).equals(bytes), 'the chunks are not the input')
      for (const [i, chunk] of chunks.entries()) {
        must(chunk.length <= chunkBytesMax, 'too large')
        must(chunk.length > chunkBytesMin || i === chunks.length - 1, 'too small')
      }
    }),
    { numRuns: 40 }
  ))

test('a cut does not depend on the number of bytes given', (t) => {
  const bytes = bytesOf(3 * mib, 7)
  const lengths = chunksOf(bytes).map(({ length }) => length)
  return holds(
    t,
    fc.property(fc.array(fc.integer({ min: 1, max: mib }), { minLength: 1, maxLength: 8 }), (pieces) => {
      const cuts: number[] = []
      let start = 0
      let filled = 0
      for (let i = 0; start < bytes.length; i++) {
        filled = Math.min(bytes.length, filled + (pieces[i % pieces.length] as number) + chunkBytesMin)
        for (;;) {
          const length = cutPoint(bytes.subarray(start, filled), filled === bytes.length)
          if (length === 0) break
          cuts.push(length)
          start += length
        }
      }
      must(cuts.join() === lengths.join(), `${cuts} instead of ${lengths}`)
    }),
    { numRuns: 40 }
  )
})

test('chunks of random bytes have about the average size', (t) => {
  const chunks = chunksOf(bytesOf(32 * mib, 3))
  const average = (32 * mib) / chunks.length
  t.ok(average > chunkBytesAverage / 2 && average < chunkBytesAverage * 2, `${Math.round(average)} bytes`)
})

const insertions: readonly number[] = [1, 31, 4096, chunkBytesMin, 700_001]
for (const length of insertions) {
  test(`an insertion of ${length} bytes at the front changes few chunks`, (t) => {
    const before = bytesOf(16 * mib, 5)
    const after = Buffer.concat([bytesOf(length, 6), before])
    const known = new Set(chunksOf(before).map(hashOf))
    const fresh = chunksOf(after).filter((chunk) => !known.has(hashOf(chunk)))
    t.ok(known.size >= 16 && fresh.length <= 5, `${fresh.length} of ${known.size} chunks are new`)
  })
}
