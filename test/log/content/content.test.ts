import { test } from 'brittle'
import { encodePack } from '../../../src/format/pack-codec.ts'
import type { ContentReader } from '../../../src/log/content/content.ts'
import type { Extent, FileEntry } from '../../../src/tree/entry.ts'
import { bytesOf } from '../../support/bytes.ts'
import { fileOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { arrival, commit, link, openReader, openWriter } from '../../support/log.ts'

const one = bytesOf(200_000, 1)
const two = bytesOf(300_000, 2)
const three = bytesOf(5, 3)

/** A reader of contents that lie at its peer: blocks 0 to 2 bare, 3 and 4 packs, then 100 bare ones of two bytes. */
async function openContent(t: Parameters<typeof openWriter>[0]): Promise<ContentReader> {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  await link(t, store, own)
  const text = 'compressible '.repeat(1000)
  const packs = [await encodePack([Buffer.from('abc'), Buffer.from('defg')]), await encodePack([Buffer.from(text)])]
  const small = Array.from({ length: 100 }, (_, i) => Buffer.from(String(i).padStart(2, '0')))
  await writer.appendBlocks([one, two, three, ...packs, ...small])
  await arrival(reader, await commit(writer, {}))
  const content = await reader.content(() => 0)
  t.teardown(() => content.close().then(() => reader.close()), { order: -1 })
  return content
}

function fileAt(...extents: readonly Partial<Extent>[]): FileEntry {
  const whole = { core: 0, block: 0, blocks: 1, offset: 0, length: 1, packed: false }
  return fileOf('', { extents: extents.map((extent) => ({ ...whole, ...extent })) })
}

async function read(content: ContentReader, file: FileEntry): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const bytes of content.read(file, new AbortController().signal)) pieces.push(bytes)
  return Buffer.concat(pieces)
}

test('content is read from bare blocks, from packs, and from both', async (t) => {
  const content = await openContent(t)
  const text = async (...extents: readonly Partial<Extent>[]) => (await read(content, fileAt(...extents))).toString()

  t.ok((await read(content, fileAt({ length: one.length }))).equals(one), 'one block')
  const run = { blocks: 3, length: one.length + two.length + three.length }
  t.ok((await read(content, fileAt(run))).equals(Buffer.concat([one, two, three])), 'several blocks')
  const inside = { blocks: 2, offset: 100, length: one.length }
  t.ok((await read(content, fileAt(inside))).equals(Buffer.concat([one, two]).subarray(100, 100 + one.length)))
  t.is(await text({ block: 3, offset: 3, length: 4, packed: true }), 'defg', 'part of a pack')
  t.is(await text({ block: 4, offset: 12, length: 5, packed: true }), ' comp', 'of a compressed one')
  const numbers = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join('')
  t.is(await text({ block: 5, blocks: 100, length: 200 }), numbers, 'more blocks than are asked for at a time')
  const mixed = [
    { block: 3, length: 3, packed: true },
    { block: 6, length: 2 },
    { block: 3, length: 1, packed: true }
  ]
  t.is(await text(...mixed), 'abc01a')
  t.is(await text(), '', 'nothing')
})

for (const [what, extent] of [
  ['beyond its block', { block: 2, length: 6 }],
  ['beyond its blocks', { block: 1, blocks: 2, length: two.length + three.length + 1 }],
  ['beyond its block from within', { block: 2, offset: 3, length: 3 }],
  ['that begins beyond its block', { block: 2, offset: 5, length: 1 }],
  ['that begins far beyond its block', { block: 2, offset: 2 ** 40, length: 1 }],
  ['that claims petabytes', { block: 0, blocks: 1, length: 2 ** 50 }],
  ['beyond its pack', { block: 3, offset: 3, length: 5, packed: true }],
  ['that begins beyond its pack', { block: 3, offset: 2 ** 40, length: 1, packed: true }],
  ['in a pack that is none', { block: 0, length: 1, packed: true }]
] as const) {
  test(`an extent ${what} is refused`, async (t) => {
    const content = await openContent(t)
    t.ok((await failureOf(() => read(content, fileAt(extent)))) instanceof RangeError)
  })
}

test('reading ends when it is asked to', async (t) => {
  const content = await openContent(t)
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  const reading = content.read(fileAt({ length: 1 }), stop.signal)
  t.is(await failureOf(() => reading.next()), stop.signal.reason)
})

test('reading a block that nobody has ends when the content is closed', async (t) => {
  const content = await openContent(t)
  const reading = failureOf(() => read(content, fileAt({ block: 100_000, length: 1 })))
  await content.close()
  t.ok((await reading) instanceof Error)
})
