import { rmSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { chunkBytesMin } from '../../src/chunk/chunker.ts'
import { packHeaderBytes } from '../../src/format/pack-codec.ts'
import { Ingest, type IngestOptions, joinExtents } from '../../src/publish/ingest.ts'
import type { Entry, Extent, FileEntry } from '../../src/tree/entry.ts'
import { bytesOf } from '../support/bytes.ts'
import { hashOf, pathOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()
const options = { before: undefined, onBytes: () => {}, signal }

async function open(
  t: Assert,
  files: Readonly<Record<string, string | Uint8Array>>,
  more: Partial<IngestOptions> = {}
) {
  const share = await Share.open(t)
  for (const [path, content] of Object.entries(files)) share.write(path, content)
  const ingest = new Ingest(share.root, share.writer, share.state, { ...share.context(), ...more })
  return { share, ingest }
}

/** Flushes, and makes the chunks known to the state, as a commit does. */
async function flushed({ share, ingest }: { readonly share: Share; readonly ingest: Ingest }) {
  const { records, chunks } = await ingest.flush()
  await share.state.commitAll(
    [...chunks].map(
      ([hash, extent]) =>
        (batch) =>
          batch.chunk(hash, extent)
    )
  )
  const entryOf = (path: string) => {
    const entry: Entry | undefined = records.get(pathOf(path))?.entry
    if (entry?.type !== 'file') throw new Error(`No file ${path}`)
    return entry
  }
  return { records, chunks, entryOf }
}

async function contentOf({ writer }: Share, entry: FileEntry): Promise<Buffer> {
  const content = await writer.contents(() => 0, 1000)
  const pieces: Uint8Array[] = []
  try {
    for await (const bytes of content.read(entry, signal)) pieces.push(Buffer.from(bytes))
  } finally {
    await content.close()
  }
  return Buffer.concat(pieces)
}

test('small files share a pack, and can be read back', async (t) => {
  const parts = await open(t, { a: 'first', b: 'second', empty: '' })
  for (const path of ['a', 'b', 'empty']) await parts.ingest.add(pathOf(path), 10, options)
  t.is(parts.ingest.pending, 3)
  const { entryOf } = await flushed(parts)
  t.is(parts.ingest.pending, 0)
  const [a, b] = [entryOf('a'), entryOf('b')]
  t.alike([a.extents[0]?.block, a.extents[0]?.packed], [b.extents[0]?.block, true])
  t.alike(entryOf('empty').extents, [])
  t.is(a.hash, hashOf('first'))
  t.is((await contentOf(parts.share, a)).toString(), 'first')
  t.is((await contentOf(parts.share, b)).toString(), 'second')
})

test('a content is stored once, within a batch and after it', async (t) => {
  const parts = await open(t, { a: 'the same', b: 'the same' })
  await parts.ingest.add(pathOf('a'), 8, options)
  await parts.ingest.add(pathOf('b'), 8, options)
  const { entryOf } = await flushed(parts)
  t.alike(entryOf('a').extents, entryOf('b').extents)
  const { length } = parts.share.writer.content
  const { stored } = parts.ingest
  parts.share.write('c', 'the same')
  await parts.ingest.add(pathOf('c'), 8, options)
  t.alike((await flushed(parts)).entryOf('c').extents, entryOf('a').extents)
  t.alike([parts.share.writer.content.length, parts.ingest.stored], [length, stored])
})

test('larger files are blocks of their own, compressed where that pays', async (t) => {
  const noise = bytesOf(3 * chunkBytesMin)
  const text = Buffer.alloc(chunkBytesMin, 'text ')
  const parts = await open(t, { noise, text })
  await parts.ingest.add(pathOf('noise'), noise.length, options)
  await parts.ingest.add(pathOf('text'), text.length, options)
  const { entryOf } = await flushed(parts)
  t.ok(entryOf('noise').extents.every(({ packed }) => !packed))
  t.ok(entryOf('text').extents.every(({ packed }) => packed))
  t.alike(await contentOf(parts.share, entryOf('noise')), noise)
  t.alike(await contentOf(parts.share, entryOf('text')), text)
  t.ok(parts.ingest.stored < noise.length + text.length)
})

test('files that were read into one buffer are packed where they lie', async (t) => {
  const parts = await open(t, {})
  const buffer = new ArrayBuffer(1000)
  Buffer.from(buffer).write('firstsecond', packHeaderBytes)
  const file = (path: string, offset: number, text: string) => {
    return {
      path: pathOf(path),
      offset: packHeaderBytes + offset,
      size: text.length,
      hash: hashOf(text),
      mode: 0o644,
      mtimeMs: 1,
      signature: 's'
    }
  }
  await parts.ingest.addSmall(
    [file('a', 0, 'first'), file('b', 5, 'second'), file('again', 0, 'first'), file('empty', 0, '')],
    buffer
  )
  const { entryOf } = await flushed(parts)
  t.is((await contentOf(parts.share, entryOf('a'))).toString(), 'first')
  t.is((await contentOf(parts.share, entryOf('b'))).toString(), 'second')
  t.alike(entryOf('again').extents, entryOf('a').extents)
  t.alike(entryOf('empty').extents, [])
})

test('the bytes of a large file stay in the folder', async (t) => {
  const large = bytesOf(4 * chunkBytesMin, 7)
  const parts = await open(t, { large }, { inPlaceAbove: chunkBytesMin })
  await parts.ingest.add(pathOf('large'), large.length, options)
  const { entryOf, records } = await flushed(parts)
  const record = records.get(pathOf('large'))
  if (record !== undefined) parts.share.blocks.set(pathOf('large'), record.entry)
  t.is(entryOf('large').size, large.length)
  const [first] = entryOf('large').extents
  t.ok(await parts.share.writer.places.lengthOf(first?.block ?? -1), 'a file holds the block')
  t.is(
    parts.share.writer.content.length,
    entryOf('large').extents.reduce((sum, { blocks }) => sum + blocks, 0)
  )
})

test('a file that cannot be read leaves nothing behind', async (t) => {
  const parts = await open(t, { a: 'first' })
  rmSync(parts.share.at('a'))
  t.ok((await failureOf(() => parts.ingest.add(pathOf('a'), 5, options))) instanceof Error)
  const { records, chunks } = await flushed(parts)
  t.alike([records.size, chunks.size], [0, 0])
})

test('a large file that is torn gives up the blocks that it alone had', async (t) => {
  const large = bytesOf(4 * chunkBytesMin, 9)
  const parts = await open(t, { large }, { inPlaceAbove: chunkBytesMin })
  const tear = () => writeFileSync(parts.share.at('large'), large.subarray(0, 10))
  const failure = failureOf(() => parts.ingest.add(pathOf('large'), large.length, { ...options, onBytes: tear }))
  t.ok((await failure) instanceof Error)
  const { records, chunks } = await flushed(parts)
  t.alike([records.size, chunks.size], [0, 0])
})

const extent = (block: number, more: Partial<Extent> = {}): Extent => {
  return { core: 0, block, blocks: 1, offset: 0, length: 10, packed: false, ...more }
}

const joins: ReadonlyArray<[name: string, extents: readonly Extent[], joined: readonly Extent[]]> = [
  ['none', [], []],
  ['blocks in a row', [extent(1), extent(2), extent(3)], [extent(1, { blocks: 3, length: 30 })]],
  ['a gap', [extent(1), extent(3)], [extent(1), extent(3)]],
  ['packs', [extent(1, { packed: true }), extent(2)], [extent(1, { packed: true }), extent(2)]],
  ['runs in a row', [extent(1, { blocks: 4, length: 40 }), extent(5)], [extent(1, { blocks: 5, length: 50 })]]
]

for (const [name, extents, joined] of joins) {
  test(`extents are joined: ${name}`, (t) => t.alike(joinExtents(extents), joined))
}
