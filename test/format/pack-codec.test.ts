import { brotliCompressSync } from 'node:zlib'
import { test } from 'brittle'
import fc from 'fast-check'
import { decodePack, encodePack, PackBuilder, packBytesMax, packHeaderBytes } from '../../src/format/pack-codec.ts'
import { bytesOf } from '../support/bytes.ts'
import { fuzzRuns, holds } from '../support/property.ts'

const raw = 0
const brotli = 1

function block(codec: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(codec), body])
}

test('a pack holds its contents one behind the other', (t) => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.tuple(fc.nat(20_000), fc.integer()).map(([length, seed]) => bytesOf(length, seed)),
    fc.nat(20_000).map((length) => Buffer.alloc(length, 'text '))
  )
  return holds(
    t,
    fc.asyncProperty(fc.array(content, { maxLength: 10 }), async (contents) => {
      const unpacked = await decodePack(await encodePack(contents))
      return Buffer.concat(contents).equals(unpacked)
    })
  )
})

test('a pack of text is compressed', async (t) => {
  const packed = await encodePack([Buffer.alloc(100_000, 'all work and no play ')])
  t.is(packed[0], brotli)
  t.ok(packed.length < 10_000, `${packed.length} bytes`)
})

test('a pack whose contents lie in a buffer is the same', async (t) => {
  for (const content of [Buffer.alloc(200_000, 'all work and no play '), bytesOf(200_000, 1)]) {
    const buffer = new ArrayBuffer(300_000)
    Buffer.from(buffer).set(content, packHeaderBytes)
    t.alike(await PackBuilder.over(buffer, content.length).encode(), await encodePack([content]))
  }
})

test('a pack with some compressible contents is compressed', async (t) => {
  const text = Buffer.alloc(200_000, 'all work and no play ')
  const packed = await encodePack([bytesOf(200_000, 1), text])
  t.is(packed[0], brotli)
  t.ok(packed.length < 220_000, `${packed.length} bytes`)
})

test('a pack that compression does not make smaller stays raw', async (t) => {
  const content = bytesOf(100_000, 1)
  t.alike(await encodePack([content]), block(raw, content))
})

test('an empty pack is a header', async (t) => {
  const packed = await encodePack([])
  t.alike(packed, Buffer.of(raw))
  t.is((await decodePack(packed)).length, 0)
})

test('a pack of exactly the largest size is encoded and decoded', async (t) => {
  for (const content of [Buffer.alloc(packBytesMax), bytesOf(packBytesMax, 1)]) {
    t.ok(content.equals(await decodePack(await encodePack([content]))))
  }
})

test('a pack over the largest size is refused', (t) =>
  t.exception.all(encodePack([Buffer.alloc(packBytesMax), Buffer.of(0)]), /over the limit/))

const compressed = brotliCompressSync(Buffer.alloc(1000))

const refused: ReadonlyArray<[name: string, block: Uint8Array]> = [
  ['a block of nothing', Buffer.alloc(0)],
  ['an unknown kind', block(2, compressed)],
  ['raw bytes over the limit', block(raw, Buffer.alloc(packBytesMax + 1))],
  ['a bomb', block(brotli, brotliCompressSync(Buffer.alloc(64 * packBytesMax)))],
  ['a pack that unpacks to one byte too many', block(brotli, brotliCompressSync(Buffer.alloc(packBytesMax + 1)))],
  ['compressed bytes that end too early', block(brotli, compressed.subarray(0, -1))],
  ['a compressed pack without a body', block(brotli, Buffer.alloc(0))],
  ['compressed bytes that are none', block(brotli, Buffer.from('no brotli at all'))]
]
for (const [name, bytes] of refused) {
  test(`decodePack refuses ${name}`, async (t) => {
    const error = await decodePack(bytes).catch((reason: unknown) => reason)
    t.ok(error instanceof RangeError, String(error))
  })
}

test('decodePack throws nothing but RangeError on any bytes', (t) =>
  holds(
    t,
    fc.asyncProperty(fc.constantFrom(raw, brotli, 255), fc.uint8Array({ maxLength: 200 }), async (codec, body) => {
      const result = await decodePack(block(codec, body)).catch((error: unknown) => error)
      return result instanceof Uint8Array || result instanceof RangeError
    }),
    { numRuns: fuzzRuns(300) }
  ))
