import { randomBytes } from 'node:crypto'
import { type Assert, test } from 'brittle'
import { headerLength } from '../../../src/log/bee/entries.ts'
import type { BlockRun } from '../../../src/log/gc/block-set.ts'
import type { PastVersion } from '../../../src/log/gc/garbage.ts'
import type { LogStore } from '../../../src/log/hypercore/store.ts'
import { LogReader } from '../../../src/log/reader.ts'
import type { LogWriter } from '../../../src/log/writer.ts'
import type { BlockRef } from '../../../src/tree/block-ref.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { directoryOf, fileOf } from '../../support/entries.ts'
import { arrival, commit, link, openStore, openWriter } from '../../support/log.ts'

const { signal } = new AbortController()
const nowhere = () => false
/** As many changes as are worth a delta. */
const many: Record<string, Entry> = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i}`, directoryOf()]))

interface Log {
  readonly store: LogStore
  readonly writer: LogWriter
  /** Appends a block of its own, and says where it is. */
  file(): Promise<Entry>
}

async function openLog(t: Assert): Promise<Log> {
  const { store, writer } = await openWriter(t)
  const file = async () => {
    const bytes = randomBytes(1000)
    const block = writer.content.length
    await writer.appendBlocks([bytes])
    return fileOf(bytes, { extents: [{ core: 0, block, blocks: 1, offset: 0, length: 1000, packed: false }] })
  }
  return { store, writer, file }
}

/** The blocks that are found when all since a version is kept. */
async function found(writer: LogWriter, since: number, isHeld: (block: BlockRef) => boolean = nowhere) {
  const blocks = await writer.garbage().find({ since, newest: writer.version as Version }, isHeld, signal)
  return blocksOf(blocks.runs())
}

function blocksOf(runs: Iterable<BlockRun>): number[] {
  return [...runs].flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))
}

test('what no kept version names is found, and what one named for a while is not', async (t) => {
  const { writer, file } = await openLog(t)
  const first = await commit(writer, { old: await file(), stays: await file(), gone: await file() })
  const second = await commit(writer, { old: await file(), gone: undefined })
  const third = await commit(writer, { old: await file(), brief: await file() })
  const last = await commit(writer, { old: await file(), brief: undefined })
  t.alike(await found(writer, headerLength), [])
  t.alike(await found(writer, first.length), [])
  t.alike(await found(writer, second.length), [0, 2])
  t.alike(await found(writer, third.length), [0, 2, 3])
  t.alike(await found(writer, last.length), [0, 2, 3, 4, 5])
  t.alike(await found(writer, last.length, ({ index }) => index === 3), [0, 2, 4, 5], 'but for what lies in a file')
})

test('what a newer version names again is spared', async (t) => {
  const { writer, file } = await openLog(t)
  const old = await file()
  await commit(writer, { a: old, b: await file() })
  const newest = await commit(writer, { a: undefined, b: undefined })
  const garbage = writer.garbage()
  const blocks = await garbage.find({ since: newest.length, newest }, nowhere, signal)
  t.alike(blocksOf(blocks.runs()), [0, 1])
  const back = await commit(writer, { c: old })
  await garbage.spare(blocks, { since: newest.length, newest: back }, signal)
  t.alike(blocksOf(blocks.runs()), [1])
})

test('snapshot and deltas of the newest version stay, and blocks that no version tells of yet', async (t) => {
  const { writer, file } = await openLog(t)
  await commit(writer, { a: await file(), ...many })
  await commit(writer, { a: await file(), ...many })
  const delta = (await writer.head())?.deltas?.[0]
  t.is(delta?.block, 2)
  const version = await writer.publishSnapshot([randomBytes(500)], 301, 0)
  t.is((await writer.head())?.snapshot?.block, 3)
  // Nobody knows of this one, and of the next not yet.
  await writer.appendBlocks([randomBytes(500)])
  t.alike(await found(writer, version.length), [0])
  await commit(writer, { b: await file() })
  await file()
  t.alike(await found(writer, version.length), [0, 4])
})

test('the versions are told from the newest on, without what is no version', async (t) => {
  const { writer, file } = await openLog(t)
  const versions: Version[] = []
  for (let i = 0; i < 3; i++) versions.unshift(await commit(writer, { a: await file() }, { timeMs: i }))
  await commit(writer, { a: await file() }, { unfinished: true })
  const told: PastVersion[] = []
  for await (const version of writer.garbage().versions(writer.version as Version)) told.push(version)
  t.alike(
    told.map(({ version }) => version),
    versions
  )
  t.alike(
    told.map(({ head }) => head.timeMs),
    [2, 1, 0]
  )
})

test('extents that reach beyond all that there is do no harm', async (t) => {
  const { writer, file } = await openLog(t)
  await commit(writer, { a: await file(), b: await file() })
  const wide = { core: 0, block: 1, blocks: 2 ** 50, offset: 0, length: 1, packed: false }
  const last = await commit(writer, { a: undefined, b: undefined, c: fileOf('x', { extents: [wide] }) })
  t.alike(await found(writer, last.length), [0])
})

test('what is cleared is gone, and the rest can be read, here and by who comes later', async (t) => {
  const { store, writer, file } = await openLog(t)
  // Every third stays.
  for (let i = 0; i < 60; i++) await commit(writer, { [`f${i % 3 === 0 ? i : 'x'}`]: await file() })
  const newest = writer.version as Version
  const garbage = writer.garbage()
  const blocks = await garbage.find({ since: newest.length, newest }, nowhere, signal)
  const expected = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 3 !== 0 && i !== 59)
  t.alike(blocksOf(blocks.runs()), expected)
  t.alike(await garbage.measure(blocks, signal), { blocks: 39, bytes: 39_000 })
  t.absent(await garbage.clear(blocks, 5, signal), 'some runs at a time')
  while (!(await garbage.clear(blocks, 5, signal)));
  t.alike(blocksOf(blocks.runs()), [])
  await store.compact({ spareBytes: 0 })
  const core = await store.named('content')
  for (let i = 0; i < 60; i++) if ((await core.has(i)) === expected.includes(i)) t.fail(`block ${i}`)

  const cold = await openStore(t)
  const reader = await LogReader.open(cold, writer.key)
  await link(t, store, cold)
  await arrival(reader, newest)
  await reader.fetch(newest, signal)
  const content = await reader.content(() => 0)
  let count = 0
  for await (const [, entry] of reader.entriesAt(newest, () => t.fail('a problem'))) {
    if (entry.type !== 'file') continue
    for await (const piece of content.read(entry, signal)) count += piece.length
  }
  t.is(count, 21_000)
  await content.close()
})
