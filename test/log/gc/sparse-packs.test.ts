import { randomBytes } from 'node:crypto'
import { test } from 'brittle'
import { decodePack, encodePack } from '../../../src/format/pack-codec.ts'
import { Relocations } from '../../../src/log/content/relocations.ts'
import type { Entry, FileEntry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { fileOf } from '../../support/entries.ts'
import { collect, commit, openWriter } from '../../support/log.ts'

const { signal } = new AbortController()
const filesPerPack = 10
const fileBytes = 10_000

async function openLog(t: Parameters<typeof openWriter>[0], packs: number) {
  const { store, writer } = await openWriter(t)
  const contents = new Map<string, Buffer>()
  const changes: Record<string, Entry> = {}
  for (let pack = 0; pack < packs; pack++) {
    const files = Array.from({ length: filesPerPack }, () => randomBytes(fileBytes))
    const block = writer.content.length
    await writer.appendBlocks([await encodePack(files)])
    for (const [i, bytes] of files.entries()) {
      const extents = [{ core: 0, block, blocks: 1, offset: i * fileBytes, length: fileBytes, packed: true }]
      changes[`${pack}-${i}`] = fileOf(bytes, { extents })
      contents.set(`${pack}-${i}`, bytes)
    }
  }
  const first = await commit(writer, changes)
  return { store, writer, contents, first }
}

const removals = (pack: number, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${pack}-${i}`, undefined]))

test('packs of which little is needed are stored anew, the emptiest first', async (t) => {
  const { store, writer, contents, first } = await openLog(t, 4)
  const newest = await commit(writer, { ...removals(1, 9), ...removals(2, 5) })
  const kept = { since: newest.length, newest }
  const sparse = await writer.garbage().sparse(kept, 0, signal)
  t.alike(
    sparse.packs.map(({ block, dead }) => [block, dead]),
    [
      [1, 9 * fileBytes],
      [2, 5 * fileBytes]
    ]
  )
  t.ok(sparse.gain > 13 * fileBytes && sparse.gain < 15 * fileBytes, `${sparse.gain} bytes`)
  const much = await writer.garbage().sparse(kept, 10_000_000, signal)
  t.alike(much.packs, [], 'beside much other garbage it is left')
  const all = await writer.garbage().sparse({ since: first.length, newest }, 0, signal)
  t.alike(all.packs, [], 'an older version needs it')

  const relocations = await writer.repack(sparse, 1, signal)
  t.ok(relocations instanceof Relocations)
  t.alike(
    [...relocations.all].map(({ block }) => block),
    [1, 2]
  )
  const core = await store.named('content')
  for (const [path, entry] of await collect(writer.entries(() => t.fail('a problem')))) {
    const [extent] = (entry as FileEntry).extents
    const place = extent && [...relocations.places(extent)].at(-1)
    const block = place && (await core.get(place.block))
    const pack = await decodePack(block ?? Buffer.alloc(0))
    const bytes = pack.subarray(place?.offset, (place?.offset ?? 0) + (place?.length ?? 0))
    if (!contents.get(path)?.equals(bytes)) t.fail(path)
  }
  const version = writer.version as Version
  t.is(version.length, newest.length + 1, 'a version without changes names the table')
  const again = await writer.garbage().sparse({ since: version.length, newest: version }, 0, signal)
  t.alike(again.packs, [], 'nothing is left to move')
})
