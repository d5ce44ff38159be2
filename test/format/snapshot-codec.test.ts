import { isDeepStrictEqual } from 'node:util'
import { brotliCompressSync } from 'node:zlib'
import { test } from 'brittle'
import fc from 'fast-check'
import {
  type DeltaRow,
  decodeRows,
  encodeRows,
  type SnapshotRow,
  snapshotLimits
} from '../../src/format/snapshot-codec.ts'
import { type Entry, emptyHash, mtimeMsMax } from '../../src/tree/entry.ts'
import { parseTreePath } from '../../src/tree/path.ts'
import { directoryOf, fileOf, hashOf, pathOf, symlinkOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { uints } from '../support/hostile-writer.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

async function blocksOf(rows: Iterable<DeltaRow>): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for await (const block of encodeRows(rows)) blocks.push(block)
  return blocks
}

async function rowsOf(blocks: readonly Uint8Array[]): Promise<DeltaRow[]> {
  const rows: DeltaRow[] = []
  for (const block of blocks) rows.push(...(await decodeRows(block, rows.at(-1)?.[0])))
  return rows
}

const packedAt = (block: number, offset: number, length: number) => [
  { core: 0, block, blocks: 1, offset, length, packed: true }
]

const mtimeMs = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-mtimeMsMax, mtimeMsMax)).map((time) => {
  return Math.max(-mtimeMsMax, Math.min(time, mtimeMsMax))
})
const mode = fc.integer({ min: 0, max: 0o777 })
const size = fc.integer({ min: 1, max: 5000 })
const file = fc.record({ mtimeMs, mode, size, block: fc.nat(3), follows: fc.boolean(), isTwo: fc.boolean() })
type Made = typeof file extends fc.Arbitrary<infer T> ? T : never

/** Makes files of which some are packed one behind the other. */
function fileMaker(): (made: Made) => Entry {
  let end = { block: 0, offset: 0 }
  return ({ mtimeMs, mode, size, block, follows, isTwo }) => {
    const start = follows ? end : { block, offset: size }
    end = { block: start.block, offset: start.offset + size }
    const more = isTwo ? [{ core: 0, block: 9, blocks: 2, offset: 0, length: 5000, packed: false }] : []
    const extents = [...packedAt(start.block, start.offset, size), ...more]
    return { type: 'file', mode, mtimeMs, size: size + (isTwo ? 5000 : 0), hash: hashOf(`${size}`), extents }
  }
}

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom('a/b', 'a/b.c', 'ü', '\u{1F600}', '\uFFFD')
)
const anyEntry = fc.oneof(
  file,
  fc.constant(undefined),
  fc.record({ mtimeMs, mode }),
  fc.record({
    mtimeMs,
    target: fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((it) => !it.includes('\0') && Buffer.from(it).toString() === it)
  })
)

test('blocks hold what was put into them, in the order of bytes', (t) =>
  holds(
    t,
    fc.asyncProperty(fc.dictionary(name, anyEntry, { maxKeys: 40 }), async (made) => {
      const fileOf = fileMaker()
      const paths = Object.keys(made).flatMap((text) => parseTreePath(text) ?? [])
      const rows = paths
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .map((path): DeltaRow => {
          const it = made[path] as typeof anyEntry extends fc.Arbitrary<infer T> ? T : never
          if (it === undefined) return [path, undefined]
          if ('size' in it) return [path, fileOf(it)]
          return [path, 'target' in it ? { type: 'symlink', ...it } : { type: 'directory', ...it }]
        })
      must(isDeepStrictEqual(await rowsOf(await blocksOf(rows)), rows), 'the same rows')
    }),
    { numRuns: 500 }
  ))

/** Files of a kilobyte, of which hundreds share a pack. */
function* manyRows(count: number): Generator<SnapshotRow> {
  for (let i = 0; i < count; i++) {
    const path = pathOf(`module-${String(i).padStart(6, '0')}/index.ts`)
    const extents = packedAt(Math.floor(i / 500), (i % 500) * 1000, 1000)
    yield [path, { type: 'file', mode: 0o644, mtimeMs: 1e12 + i, size: 1000, hash: hashOf(path), extents }]
  }
}

test('many entries are several blocks, and little more than their hashes', async (t) => {
  const rows = [...manyRows(10_000)]
  const blocks = await blocksOf(rows)
  t.is(blocks.length, 3)
  const bytes = blocks.reduce((sum, block) => sum + block.length, 0)
  t.ok(bytes < 40 * rows.length, `${bytes / rows.length} bytes an entry`)
  t.alike(await rowsOf(blocks), rows)
})

test('what nothing could be left out of takes its share of a block all the same', async (t) => {
  const rows = Array.from({ length: 4096 }, (_, i): SnapshotRow => [pathOf(`d${10_000 + i}`), directoryOf()])
  const [block] = await blocksOf(rows)
  t.is(block?.length, 4096 * snapshotLimits.entryBytesMin)
  t.alike(await rowsOf([block as Buffer]), rows)
})

test('a folder without entries has a snapshot without blocks', async (t) => t.alike(await blocksOf([]), []))

test('an entry with very many extents has a block of its own, or no snapshot', async (t) => {
  const withExtents = (count: number): Entry => {
    const extents = Array.from({ length: count }, (_, i) => ({
      core: 0,
      block: 2 * i,
      blocks: 1,
      offset: 0,
      length: 4096,
      packed: false
    }))
    return { type: 'file', mode: 0o644, mtimeMs: 0, size: 4096 * count, hash: hashOf(''), extents }
  }
  const [a, b, c] = [pathOf('a'), pathOf('b'), pathOf('c')]
  const rows: SnapshotRow[] = [
    [a, fileOf('')],
    [b, withExtents(60_000)],
    [c, fileOf('')]
  ]
  const blocks = await blocksOf(rows)
  t.is(blocks.length, 3)
  t.alike(await rowsOf(blocks), rows)
  t.ok((await failureOf(() => blocksOf([[a, withExtents(200_000)]]))) instanceof RangeError)
})

/** A block as told, whose rows are compressed here. */
function blockOf(entries: number, rows: Uint8Array, hashes: Uint8Array = Buffer.alloc(64), kind = 1): Buffer {
  const packed = brotliCompressSync(rows)
  const block = Buffer.concat([uints(kind, entries, packed.length), packed, hashes])
  return Buffer.concat([block, Buffer.alloc(Math.max(0, 8 * Math.min(entries, 4096) - block.length))])
}

/** Flags, bytes shared, the rest of the path, then numbers. */
function row(flags: number, shared: number, rest: string | Uint8Array, ...numbers: number[]): Buffer {
  return Buffer.concat([uints(flags, shared, Buffer.byteLength(rest)), Buffer.from(rest), uints(...numbers)])
}

const directory = row(2, 0, 'a', 0, 0o755)
const rowsTwice = (second: Buffer) => Buffer.concat([directory, second])

test('a block looks as FORMAT.md says', async (t) => {
  const link = Buffer.concat([row(3, 1, '/link', 3, 6), Buffer.from('target')])
  const first = row(1, 2, 'one', 4, 0o644, 5, 1, 1, 7, 1, 100, 5)
  const next = row(9, 2, 'two', 0, 0o600, 6)
  const gone = row(0, 2, 'up')
  const empty = row(5, 0, 'b', 8, 0o644, 0)
  const hashes = Buffer.concat([Buffer.from(hashOf('12345'), 'hex'), Buffer.from(hashOf('123456'), 'hex')])
  const block = blockOf(6, Buffer.concat([directory, link, first, next, gone, empty]), hashes)
  t.alike(await decodeRows(block), [
    [pathOf('a'), directoryOf({ mtimeMs: 0 })],
    [pathOf('a/link'), symlinkOf('target', { mtimeMs: -2 })],
    [pathOf('a/one'), fileOf('12345', { mtimeMs: 0, extents: packedAt(7, 100, 5) })],
    [pathOf('a/two'), fileOf('123456', { mode: 0o600, mtimeMs: 0, extents: packedAt(7, 105, 6) })],
    [pathOf('a/up'), undefined],
    [pathOf('b'), { type: 'file', mode: 0o644, mtimeMs: 4, size: 0, hash: emptyHash, extents: [] }]
  ])
})

const refused: ReadonlyArray<[name: string, block: Uint8Array]> = [
  ['nothing', Buffer.alloc(0)],
  ['a block of an unknown kind', blockOf(1, directory, undefined, 2)],
  ['a block without entries', blockOf(0, Buffer.alloc(0))],
  ['more entries than a block may have', blockOf(4097, Buffer.concat(Array.from({ length: 4097 }, () => directory)))],
  ['entries that take next to no bytes', blockOf(3, directory).subarray(0, 20)],
  ['fewer entries than it says', blockOf(2, directory)],
  ['rows that are not compressed', Buffer.concat([uints(1, 1, 6), directory, Buffer.alloc(64)])],
  ['rows that unpack to too much', blockOf(1, Buffer.concat([directory, Buffer.alloc(snapshotLimits.rowsBytes)]))],
  ['rows that reach beyond the block', uints(1, 1, 100, 0, 0, 0, 0, 0, 0, 0, 0)],
  ['a block that is too large', Buffer.concat([blockOf(1, directory), Buffer.alloc(snapshotLimits.blockBytes)])],
  ['a path twice', blockOf(2, rowsTwice(directory))],
  ['paths out of order', blockOf(2, rowsTwice(row(2, 0, 'Z', 0, 0o755)))],
  ['a path that shares more than there is', blockOf(2, rowsTwice(row(2, 2, 'b', 0, 0o755)))],
  ['a path that is none', blockOf(1, row(2, 0, '../x', 0, 0o755))],
  ['a path that is not UTF-8', blockOf(1, row(2, 0, Buffer.of(0x62, 0xff), 0, 0o755))],
  ['a key of ours', blockOf(1, row(2, 0, '\0head', 0, 0o755))],
  ['an unknown type', blockOf(1, row(4, 0, 'a', 0, 0o755))],
  ['unknown flags', blockOf(1, row(18, 0, 'a', 0, 0o755))],
  ['a mode beyond permission bits', blockOf(1, row(2, 0, 'a', 0, 0o4755))],
  ['a time out of range', blockOf(1, row(6, 0, 'a', 2 ** 53, 0o755))],
  ['a link without a target', blockOf(1, row(3, 0, 'a', 0, 0))],
  ['extents that do not add up', blockOf(1, row(1, 0, 'a', 0, 0o644, 5, 1, 1, 7, 1, 0, 6))],
  ['too many extents', blockOf(1, row(1, 0, 'a', 0, 0o644, 5, 3))],
  ['a file without its hash', blockOf(1, row(1, 0, 'a', 0, 0o644, 5, 1, 1, 7, 1, 0, 5), Buffer.alloc(0))]
]
for (const [what, block] of refused) {
  test(`decodeRows refuses ${what}`, async (t) => {
    t.ok((await failureOf(() => decodeRows(block))) instanceof RangeError)
  })
}

test('paths are refused that only grow by what they share', async (t) => {
  const long = 'd/'.repeat(2000)
  const rows = Array.from({ length: 300 }, (_, i) =>
    row(2, i === 0 ? 0 : long.length, i === 0 ? `${long}a000` : `b${String(i).padStart(3, '0')}`, 0, 0o755)
  )
  const fail = await failureOf(() => decodeRows(blockOf(300, Buffer.concat(rows))))
  t.ok(fail instanceof RangeError && /too long/.test(fail.message))
})

test('a block that goes back behind the one before is refused', async (t) => {
  t.alike((await decodeRows(blockOf(1, directory), pathOf('Z'))).length, 1)
  t.ok((await failureOf(() => decodeRows(blockOf(1, directory), pathOf('a')))) instanceof RangeError)
})

test('decodeRows throws nothing but RangeError, whatever it is given', async (t) => {
  const [good] = (await blocksOf(manyRows(30))) as [Buffer]
  const damage = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
  const rows = fc.uint8Array({ maxLength: 60 }).map((bytes) => blockOf(1 + ((bytes[0] ?? 0) % 4), bytes))
  const damaged = fc.array(damage, { minLength: 1, maxLength: 4 }).map((changes) => {
    const block = Buffer.from(good)
    for (const [at, byte] of changes) block[at] = byte
    return block
  })
  await holds(
    t,
    fc.asyncProperty(fc.oneof(damaged, rows, fc.uint8Array({ maxLength: 80 })), async (block) => {
      const result = await decodeRows(block).catch((error: unknown) => error)
      must(Array.isArray(result) || result instanceof RangeError, `${result}`)
    }),
    { numRuns: fuzzRuns(1000) }
  )
})
