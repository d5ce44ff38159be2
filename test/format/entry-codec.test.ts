import { test } from 'brittle'
import * as c from 'compact-encoding'
import fc from 'fast-check'
import { decodeEntry, decodeUtf8, encodeEntry, entryFormat, limits } from '../../src/format/entry-codec.ts'
import { overlapInPart } from '../../src/format/extent-overlap.ts'
import { type Entry, type Extent, emptyHash, type FileEntry } from '../../src/tree/entry.ts'
import { directoryOf as directory, fileOf as file, symlinkOf as symlink } from '../support/entries.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

/** Beyond it the encoding of times has no numbers. */
const mtimeMsEncodable = 2 ** 52 - 1

const hash = file('v1').hash
const position = fc.integer({ min: 0, max: limits.sizeBytes })
const mode = fc.nat(0o777)
const mtimeMs = fc.integer({ min: -mtimeMsEncodable, max: mtimeMsEncodable })

const extent: fc.Arbitrary<Extent> = fc
  .record({
    core: fc.constantFrom(0, 0, 1, 7),
    block: position,
    blocks: fc.integer({ min: 1, max: limits.sizeBytes }),
    offset: position,
    length: fc.integer({ min: limits.extentBytes, max: limits.sizeBytes / 8 }),
    packed: fc.boolean()
  })
  .map((it) => (it.packed ? { ...it, blocks: 1 } : it))

const anyFile: fc.Arbitrary<Entry> = fc
  .record({
    mode,
    mtimeMs,
    bytes: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    extents: fc.array(extent, { maxLength: 8 }).filter((extents) => !overlapInPart(extents))
  })
  .map(({ bytes, extents, ...metadata }) => {
    const size = extents.reduce((sum, { length }) => sum + length, 0)
    return {
      type: 'file',
      ...metadata,
      size,
      hash: size === 0 ? emptyHash : Buffer.from(bytes).toString('hex'),
      extents
    }
  })
const anyDirectory: fc.Arbitrary<Entry> = fc.record({ type: fc.constant('directory' as const), mode, mtimeMs })
const anyLink: fc.Arbitrary<Entry> = fc.record({
  type: fc.constant('symlink' as const),
  mtimeMs,
  target: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((it) => !it.includes('\0'))
})
const validEntry = fc.oneof(anyFile, anyDirectory, anyLink)

test('an entry is decoded as it was encoded, whatever a later format puts after it', (t) =>
  holds(
    t,
    fc.property(validEntry, fc.uint8Array({ maxLength: 20 }), (entry, later) => {
      const decoded = decodeEntry(Buffer.concat([encodeEntry(entry), later]), Number.POSITIVE_INFINITY)
      must(JSON.stringify(sorted(decoded)) === JSON.stringify(sorted(entry)), `became ${JSON.stringify(decoded)}`)
    }),
    { numRuns: 1000 }
  ))

/** The same entry with its fields in one order. */
function sorted(entry: Entry): unknown {
  const fields = Object.entries(entry).map(([name, value]) => [name, name === 'extents' ? value.map(byName) : value])
  return byName(Object.fromEntries(fields))
}

function byName(record: object): object {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

test('a record of a later format is read as far as it is known', (t) => {
  const record = encodeEntry(directory())
  t.is(record[0], entryFormat)
  record[0] = entryFormat + 1
  t.alike(decodeEntry(record), directory())
})

test('a record looks as FORMAT.md says, byte by byte', (t) => {
  const entry: FileEntry = {
    ...file('v1', { mtimeMs: 1000 }),
    extents: [{ core: 0, block: 3, blocks: 1, offset: 5, length: 2, packed: true }]
  }
  const head = '01' + '01' + 'fdd007' + 'fda401' + '02' // Format, type, time 1000 zig-zag, mode 0o644, size.
  t.is(encodeEntry(entry).toString('hex'), `${head}${hash}01${'0103010502'}`)
  const elsewhere = { ...entry, extents: entry.extents.map((it) => ({ ...it, core: 7 })) }
  t.is(encodeEntry(elsewhere).toString('hex'), `${head}${hash}01${'030703010502'}`, 'in another core')
  t.is(encodeEntry(directory({ mtimeMs: 1000 })).toString('hex'), '01' + '02' + 'fdd007' + 'fded01')
  t.is(encodeEntry(symlink('ab', { mtimeMs: -1 })).toString('hex'), '01' + '03' + '01' + '026162')
})

function uints(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => c.encode(c.uint, value)))
}

/** A record of a file, field by field; each part is bytes or a number. */
function fileRecord(fields: {
  readonly mode?: number
  readonly size?: number
  readonly hash?: string
  readonly count?: number
  readonly extents?: readonly (readonly number[])[]
}): Buffer {
  const { mode = 0o644, size = 2, extents = [[0, 3, 1, 0, 2]], count = extents.length } = fields
  const content = Buffer.from(fields.hash ?? hash, 'hex')
  return Buffer.concat([uints(1, 1, 0, mode, size), content, uints(count), ...extents.map((it) => uints(...it))])
}

test('a record made by hand is accepted, so that what follows fails for its one fault', (t) => {
  const extents = [{ core: 0, block: 3, blocks: 1, offset: 0, length: 2, packed: false }]
  t.alike(decodeEntry(fileRecord({})), { ...file('v1', { mtimeMs: 0 }), extents })
})

/** A record of a file of so many extents, each as long as it has to be. */
function recordOfExtents(count: number, length: number = limits.extentBytes): Buffer {
  const head = fileRecord({ size: count * length, count, extents: [] })
  const extent = uints(0, 3, 1, 0, length)
  return Buffer.concat([head, Buffer.alloc(extent.length * count, extent)])
}

const over = limits.sizeBytes + 1
const link = (target: Uint8Array) => Buffer.concat([uints(1, 3, 0, target.length), target])

const refused: ReadonlyArray<[name: string, record: Uint8Array]> = [
  ['an extent of a core that the log does not name', fileRecord({ extents: [[2, 1, 3, 1, 0, 2]] })],
  ['nothing', Buffer.alloc(0)],
  ['format 0', uints(0, 2, 0, 0o755)],
  ['an unknown type', uints(1, 4, 0, 0o755)],
  ['type 0', uints(1, 0, 0, 0o755)],
  ['a record that ends before its type', uints(1)],
  ['a record that ends in a number', Buffer.of(1, 2, 0xfd, 1)],
  ['a number beyond 2^53', Buffer.concat([uints(1, 2, 0), Buffer.alloc(9, 255)])],
  ['a directory without a mode', uints(1, 2, 0)],
  ['setuid', fileRecord({ mode: 0o4755 })],
  ['a sticky directory', uints(1, 2, 0, 0o1777)],
  ['a file that ends in its hash', fileRecord({}).subarray(0, 20)],
  ['a file that ends before its extents', fileRecord({ count: 2 })],
  [
    'a size beyond the limit',
    fileRecord({
      size: over,
      extents: [
        [0, 0, 1, 0, over - 1],
        [0, 1, 1, 0, 1]
      ]
    })
  ],
  ['too many extents', recordOfExtents(limits.extents + 1)],
  ['extents of few bytes each', recordOfExtents(100, limits.extentBytes - 50)],
  ['extents of fewer bytes than the file', fileRecord({ size: 3 })],
  ['extents of more bytes than the file', fileRecord({ size: 1 })],
  ['a file of some size without extents', fileRecord({ extents: [] })],
  ['an empty file with the hash of another', fileRecord({ size: 0, extents: [] })],
  ['an empty file with an extent', fileRecord({ size: 0, hash: emptyHash })],
  ['an extent of no blocks', fileRecord({ extents: [[0, 3, 0, 0, 2]] })],
  [
    'an extent of no bytes',
    fileRecord({
      size: 4096,
      extents: [
        [0, 3, 1, 0, 4096],
        [0, 4, 1, 0, 0]
      ]
    })
  ],
  [
    'extents that overlap in part',
    fileRecord({
      size: 8192,
      extents: [
        [1, 3, 1, 0, 4096],
        [1, 3, 1, 1, 4096]
      ]
    })
  ],
  ['an extent of an unknown kind', fileRecord({ extents: [[2, 3, 1, 0, 2]] })],
  ['a pack of several blocks', fileRecord({ extents: [[1, 3, 2, 0, 2]] })],
  ['a block beyond the limit', fileRecord({ extents: [[0, over, 1, 0, 2]] })],
  ['more blocks than the limit', fileRecord({ extents: [[0, 3, over, 0, 2]] })],
  ['an offset beyond the limit', fileRecord({ extents: [[0, 3, 1, over, 2]] })],
  ['a link without a target', link(Buffer.alloc(0))],
  ['a link whose target is too long', link(Buffer.alloc(limits.linkTargetBytes + 1, 'x'))],
  ['a link whose target is not UTF-8', link(Buffer.of(0xff))],
  ['a link whose target has a NUL', link(Buffer.from('a\0b'))],
  ['a link whose target ends too early', uints(1, 3, 0, 5, 97)]
]
for (const [name, record] of refused) {
  test(`decodeEntry refuses ${name}`, (t) => t.is(outcomeOf(record), 'RangeError'))
}

test('decodeEntry accepts just as many extents as the limit says', (t) => {
  const entry = decodeEntry(recordOfExtents(limits.extents))
  t.is(entry.type === 'file' && entry.extents.length, limits.extents)
})

test('decodeEntry accepts a link whose target is of just the longest length', (t) => {
  const target = 'x'.repeat(limits.linkTargetBytes)
  t.alike(decodeEntry(link(Buffer.from(target))), symlink(target, { mtimeMs: 0 }))
})

function outcomeOf(record: Uint8Array): Entry | string {
  try {
    return decodeEntry(record)
  } catch (error) {
    return error instanceof Error ? error.constructor.name : 'something else'
  }
}

/** Bytes that get beyond the first fields: a valid record, cut, overwritten and spliced. */
const damaged = fc
  .tuple(
    validEntry,
    fc.array(fc.tuple(fc.nat(80), fc.oneof(fc.constantFrom(0, 1, 0xfd, 0xfe, 0xff), fc.nat(255))), { maxLength: 4 }),
    fc.nat(120)
  )
  .map(([entry, overwritten, length]) => {
    const record = encodeEntry(entry)
    for (const [i, byte] of overwritten) if (i < record.length) record[i] = byte
    return record.subarray(0, length)
  })

test('decodeEntry throws nothing but RangeError and keeps to its limits, whatever it is given', (t) =>
  holds(
    t,
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 80 })), (record) => {
      const outcome = outcomeOf(record)
      if (typeof outcome === 'string') must(outcome === 'RangeError', outcome)
      else mustBeWithinLimits(outcome)
    }),
    { numRuns: fuzzRuns(5000) }
  ))

function mustBeWithinLimits(entry: Entry): void {
  must(Number.isSafeInteger(entry.mtimeMs) && Math.abs(entry.mtimeMs) <= limits.mtimeMs, 'time')
  if (entry.type === 'symlink') {
    must(entry.target !== '' && !entry.target.includes('\0'), 'target')
    must(Buffer.byteLength(entry.target) <= limits.linkTargetBytes, 'length of target')
    return
  }
  must(entry.mode <= 0o777, 'mode')
  if (entry.type === 'directory') return
  must(/^[0-9a-f]{64}$/.test(entry.hash), 'hash')
  must(entry.size <= limits.sizeBytes && entry.extents.length <= limits.extents, 'size')
  let total = 0
  for (const { core, block, blocks, offset, length, packed } of entry.extents) {
    must(core === 0, 'the core of another writer')
    must(Math.max(block, blocks, offset, length) <= limits.sizeBytes, 'extent')
    must(blocks > 0 && length > 0 && (!packed || blocks === 1), 'empty extent')
    total += length
  }
  must(total === entry.size, 'total')
}

test('decodeUtf8 decodes text as it stands, and nothing else', (t) => {
  t.is(decodeUtf8(Buffer.from('größe😀')), 'größe😀')
  t.is(decodeUtf8(Buffer.from('\ufeffa')), '\ufeffa', 'a byte-order mark is a part of a name')
  t.is(decodeUtf8(Buffer.of(0xed, 0xa0, 0x80)), undefined, 'a surrogate is no text')
  t.is(decodeUtf8(Buffer.of(0xc0, 0xaf)), undefined, 'nor is a slash in two bytes')
})
