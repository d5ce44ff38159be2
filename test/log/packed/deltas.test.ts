import { type Assert, test } from 'brittle'
import { encodeEntry } from '../../../src/format/entry-codec.ts'
import { deltasMax, encodeHead, type Head, headKey } from '../../../src/format/head-codec.ts'
import { type DeltaRow, encodeRows } from '../../../src/format/snapshot-codec.ts'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { lengthWith } from '../../../src/log/hypercore/bee-messages.ts'
import { type LogStore, parseKey, printKey } from '../../../src/log/hypercore/store.ts'
import { stretchesOf } from '../../../src/log/packed/deltas.ts'
import { UnfitSnapshot } from '../../../src/log/packed/snapshot.ts'
import type { LogReader } from '../../../src/log/reader.ts'
import { LogWriter } from '../../../src/log/writer.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { directoryOf, fileOf, pathOf } from '../../support/entries.ts'
import { arrival, collect, commit, headOf, link, openReader, openStore, openWriter } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()
const many = 1000
const mustBeFine = () => {
  throw new Error('a problem')
}

type Changes = Record<string, Entry | undefined>

/** What changes `many` directories, or removes them. */
function manyChanges(entry: Entry | undefined, from = 0): Changes {
  return Object.fromEntries(Array.from({ length: many }, (_, i) => [`d${from + i}`, entry]))
}

function rowsOf(changes: Changes): DeltaRow[] {
  const rows = Object.entries(changes).map(([path, entry]): DeltaRow => [pathOf(path), entry])
  return rows.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

async function openPair(t: Assert) {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  const first = await commit(writer, { ...manyChanges(directoryOf()), a: directoryOf() })
  await link(t, store, own)
  await arrival(reader, first)
  await reader.fetch(first, signal)
  return { store, writer, own, reader, first }
}

/** How many blocks of the tree a store holds from a version on. */
async function heldSince(store: LogStore, key: string, { length }: Version): Promise<number> {
  const core = await store.keyed(parseKey(key))
  let held = 0
  for (let i = length; i < core.length; i++) if (await core.has(i)) held++
  await core.close()
  return held
}

async function changes(reader: LogReader, from: Version, to: Version): Promise<DeltaRow[]> {
  await until(() => (reader.version?.length ?? 0) >= to.length, { what: 'the version' })
  await reader.fetchChanges(from, to, signal)
  return collect(reader.changes(from, to, mustBeFine))
}

test('many changes come as a delta, and the tree in the background', async (t) => {
  const { writer, own, reader, first } = await openPair(t)
  const wanted = { ...manyChanges(undefined), b: fileOf(''), ä: directoryOf() }
  const version = await commit(writer, wanted)
  const delta = { block: 0, blocks: 1, since: first.length, length: version.length, entries: many + 2 }
  t.alike(await writer.head(), headOf({ before: first.length, contentLength: 1, deltas: [delta] }))
  t.alike(await changes(reader, first, version), rowsOf(wanted))
  t.alike(await collect(reader.history(first.length, version, signal)), rowsOf(wanted), 'history too')
  t.is(await heldSince(own, writer.key, first), 1, 'the head alone')
  reader.fetchRest(version, () => true)
  await until(async () => (await heldSince(own, writer.key, first)) === version.length - first.length, {
    what: 'the rest'
  })
  t.alike(await changes(reader, first, version), rowsOf(wanted))
  await reader.close()
})

test('few changes come without a delta, as soon as they are announced', async (t) => {
  const { writer, own, reader, first } = await openPair(t)
  const version = await commit(writer, { a: undefined, b: directoryOf() })
  t.absent((await writer.head())?.deltas)
  await arrival(reader, version)
  await until(async () => (await heldSince(own, writer.key, first)) === 3, { what: 'all of it' })
  await reader.close()
})

test('the changes over several versions are those of the last', async (t) => {
  const { store, writer, own, reader, first } = await openPair(t)
  const [touched, other] = [directoryOf({ mode: 0o700 }), directoryOf({ mode: 0o711 })]
  const second = await commit(writer, manyChanges(touched))
  await commit(writer, { d1: undefined, d2: other, e: other })
  const fourth = await commit(writer, { ...manyChanges(other, many), d3: undefined, e: undefined })
  const last = await commit(writer, { d4: undefined, [`d${many}`]: undefined })
  t.is((await writer.head())?.deltas?.length, 2)

  const later = { ...manyChanges(other, many), d1: undefined, d2: other, d3: undefined, e: undefined }
  t.alike(await changes(reader, second, fourth), rowsOf(later))
  const end = { d4: undefined, [`d${many}`]: undefined }
  t.alike(await changes(reader, first, last), rowsOf({ ...manyChanges(touched), ...later, ...end }))
  t.ok((await heldSince(own, writer.key, first)) < 20)
  t.alike(await changes(reader, fourth, last), rowsOf(end))
  const said = await collect(reader.history(first.length, last, signal))
  t.is(said.length, many + 3 + many + 2 + 2)
  t.alike(
    said.filter(([path]) => path === 'd2' || path === 'e'),
    [
      ['d2', touched],
      ['d2', other],
      ['e', other],
      ['e', undefined]
    ]
  )

  const { store: coldStore, reader: cold } = await openReader(t, writer.key)
  await link(t, store, coldStore)
  await arrival(cold, last)
  await cold.fetch(last, signal)
  const entries = [...(await collect(writer.entries(mustBeFine)))]
  // Their number is another than these heads say, so it is found wanting once.
  t.ok((await collect(cold.entriesAt(last, mustBeFine)).catch((error) => error)) instanceof UnfitSnapshot)
  await cold.fetch(last, signal)
  t.alike(await collect(cold.entriesAt(last, mustBeFine)), entries)
  await cold.close()
  await reader.close()
})

test('a new reader takes the snapshot or first version, and the deltas since', async (t) => {
  const { store, writer } = await openWriter(t)
  await commit(writer, { ...manyChanges(directoryOf()), a: directoryOf() })
  const version = await commit(writer, { ...manyChanges(undefined, 1), a: undefined }, { directories: 1 })
  const { store: own, reader } = await openReader(t, writer.key)
  await link(t, store, own)
  await arrival(reader, version)
  await reader.fetch(version, signal)
  t.alike(await collect(reader.entriesAt(version, mustBeFine)), [['d0', directoryOf()]])
  t.is(await heldSince(own, writer.key, { fork: 0, length: 0 }), many + 4, 'the header, the first version and a head')
  await reader.close()
})

test('a version that is made in several parts has one delta, unless its beginning is not known', async (t) => {
  const { store, writer, reader, first } = await openPair(t)
  await commit(writer, manyChanges(undefined), { unfinished: true })
  await commit(writer, { b: directoryOf(), d7: directoryOf() }, { unfinished: true })
  const second = await commit(writer, { c: directoryOf() })
  const wanted = { ...manyChanges(undefined), b: directoryOf(), d7: directoryOf(), c: directoryOf() }
  t.alike((await writer.head())?.deltas?.[0]?.entries, many + 2)
  t.alike(await changes(reader, first, second), rowsOf(wanted))

  await commit(writer, manyChanges(directoryOf()), { unfinished: true })
  const again = await LogWriter.open(store)
  const third = await commit(again, { b: undefined, c: undefined })
  t.is((await again.head())?.deltas?.length, 1, 'the earlier one')
  t.alike(await changes(reader, second, third), rowsOf({ ...manyChanges(directoryOf()), b: undefined, c: undefined }))
  await reader.close()
})

test('old deltas are dropped', async (t) => {
  const { store, writer } = await openPair(t)
  for (let i = 0; i < deltasMax + 2; i++) await commit(writer, manyChanges(directoryOf({ mode: i })))
  const { deltas = [] } = (await writer.head()) ?? {}
  const kept = Array.from({ length: deltasMax }, (_, i) => i + 2)
  t.alike(
    deltas.map(({ block }) => block),
    kept
  )
  const content = await store.named('content')
  t.absent(await content.has(1))
  t.ok(await content.has(2, deltasMax + 2))
})

interface Lie {
  readonly blocks?: readonly Uint8Array[]
  readonly delta?: Partial<NonNullable<Head['deltas']>[number]>
}

const honest: Changes = manyChanges(undefined)

async function blocksOf(changes: Changes): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for await (const block of encodeRows(rowsOf(changes))) blocks.push(block)
  return blocks
}

/** Names any blocks as the delta of a version that removes many directories. */
async function openLiar(t: Assert, { blocks, delta }: Lie) {
  const store = await openStore(t)
  const [entries, content] = [await store.named('entries'), await store.named('content')]
  const bee = beeOf(entries, content.key)
  await bee.ready()
  const put = async (changes: Changes, head: (length: number) => Head) => {
    const batch = bee.batch()
    for (const [path, entry] of Object.entries(changes)) {
      if (entry === undefined) await batch.del(Buffer.from(path))
      else await batch.put(Buffer.from(path), encodeEntry(entry))
    }
    await batch.put(Buffer.from(headKey), encodeHead(head(lengthWith(batch) + 1)))
    await batch.flush()
    return { fork: 0, length: entries.length }
  }
  const first = await put(manyChanges(directoryOf()), () => headOf())
  const stored = blocks ?? (await blocksOf(honest))
  await content.append(stored)
  const version = await put(honest, (length) => {
    const whole = { block: 0, blocks: stored.length, since: first.length, length, entries: many, ...delta }
    return headOf({ before: first.length, contentLength: content.length, deltas: [whole] })
  })
  return { store, key: printKey(entries.key), first, version, content }
}

const lies: ReadonlyArray<[name: string, lie: Lie]> = [
  ['is garbage', { blocks: [Buffer.from('garbage')] }],
  ['has blocks of over two megabytes', { blocks: [Buffer.alloc(3_000_000)] }],
  ['has no blocks', { blocks: [] }],
  ['says that it has more changes', { delta: { entries: many + 1 } }],
  ['claims more changes than the log grew by', { delta: { entries: 2 ** 40 } }],
  ['lies beyond the contents', { delta: { block: 1 } }],
  ['begins before there was anything', { delta: { since: 0 } }],
  ['ends in the future', { delta: { length: 2 ** 40 } }]
]
for (const [name, lie] of lies) {
  test(`the tree is read where a delta ${name}`, async (t) => {
    const { store, key, first, version } = await openLiar(t, lie)
    const { store: own, reader } = await openReader(t, key)
    await link(t, store, own)
    const taken = await changes(reader, first, version).catch((error: unknown) => error)
    t.ok(taken instanceof UnfitSnapshot || Array.isArray(taken), 'it is not begun with, or given up')
    t.alike(await changes(reader, first, version), rowsOf(honest))
    t.is(await heldSince(own, key, first), version.length - first.length)
    await reader.close()
  })
}

test('a reader falls back to the tree when no peer has the delta', async (t) => {
  const { store, key, first, version, content } = await openLiar(t, {})
  await content.clear(0)
  const { store: own, reader } = await openReader(t, key)
  await link(t, store, own)
  t.alike(await changes(reader, first, version), rowsOf(honest))
  await reader.close()
})

test('deltas cover the stretches that they fit into, and the tree the rest', (t) => {
  const delta = (since: number, length: number) => ({ block: 0, blocks: 1, since, length, entries: 1 })
  const [a, b, c] = [delta(5, 10), delta(10, 20), delta(30, 40)]
  t.alike(stretchesOf([a, b, c], 5, 40), [
    { since: 5, length: 10, delta: a },
    { since: 10, length: 20, delta: b },
    { since: 20, length: 30 },
    { since: 30, length: 40, delta: c }
  ])
  t.alike(stretchesOf([c, a, b], 6, 39), [
    { since: 6, length: 10 },
    { since: 10, length: 20, delta: b },
    { since: 20, length: 39 }
  ])
  t.alike(stretchesOf([delta(5, 20), a, b], 5, 20), [{ since: 5, length: 20, delta: delta(5, 20) }], 'none twice')
  t.alike(stretchesOf([a], 7, 7), [])
})
