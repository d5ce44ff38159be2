import { type Assert, test } from 'brittle'
import { type DeltaRow, encodeRows, type SnapshotRow } from '../../../src/format/snapshot-codec.ts'
import { type LogStore, parseKey } from '../../../src/log/hypercore/store.ts'
import { UnfitSnapshot } from '../../../src/log/packed/snapshot.ts'
import type { LogReader } from '../../../src/log/reader.ts'
import type { LogWriter } from '../../../src/log/writer.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { directoryOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { arrival, collect, headOf, link, openReader, openWriter } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const { signal } = new AbortController()
const many = 2000
const mustBeFine = () => {
  throw new Error('a problem')
}

/** What a writer's tree holds, as it makes versions of it. */
class Tree {
  readonly #held = new Map<TreePath, Entry>()
  readonly #writer: LogWriter

  constructor(writer: LogWriter) {
    this.#writer = writer
  }

  get rows(): SnapshotRow[] {
    return [...this.#held].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  async commit(changes: Readonly<Record<string, Entry | undefined>>): Promise<Version> {
    const byPath = new Map<TreePath, Entry | undefined>()
    for (const [name, entry] of Object.entries(changes)) {
      byPath.set(pathOf(name), entry)
      if (entry === undefined) this.#held.delete(pathOf(name))
      else this.#held.set(pathOf(name), entry)
    }
    return this.#writer.commit(
      byPath,
      headOf({ directories: this.#held.size, contentLength: this.#writer.content.length })
    )
  }

  /** Publishes a snapshot, of the tree's own rows when left out. */
  async publish(rows: readonly DeltaRow[] = this.rows, entries = rows.length): Promise<Version> {
    const blocks: Buffer[] = []
    for await (const block of encodeRows(rows)) blocks.push(block)
    return this.#writer.publishSnapshot(blocks, entries, 1_700_000_000_000)
  }
}

async function openTree(t: Assert) {
  const { store, writer } = await openWriter(t)
  const tree = new Tree(writer)
  await tree.commit(Object.fromEntries(Array.from({ length: many }, (_, i) => [`d${i}`, directoryOf()])))
  return { store, writer, tree }
}

/** How many blocks of a log's tree a store holds. */
async function heldBy(store: LogStore, key: string): Promise<number> {
  const core = await store.keyed(parseKey(key))
  let held = 0
  for (let i = 0; i < core.length; i++) if (await core.has(i)) held++
  await core.close()
  return held
}

const entriesAt = (reader: LogReader, version: Version) => collect(reader.entriesAt(version, mustBeFine))

test('a snapshot is a version without changes, and every later head names it', async (t) => {
  const { writer, tree } = await openTree(t)
  const described = writer.version as Version
  const version = await tree.publish()
  t.is(version.length, described.length + 1)
  const head = await writer.head()
  const snapshot = { block: 0, blocks: 1, length: described.length, entries: many }
  t.alike(
    head,
    headOf({ directories: many, contentLength: 1, before: described.length, snapshot, firsts: [Buffer.from('d0')] })
  )
  await tree.commit({ d0: undefined })
  const next = await writer.head()
  t.alike([next?.snapshot, next?.firsts], [snapshot, undefined])
  t.alike(await collect(writer.entries(mustBeFine)), tree.rows)
})

test('a reader takes the snapshot and the changes since; the rest comes in the background, for others too', async (t) => {
  const { store, writer, tree } = await openTree(t)
  await tree.publish()
  await tree.commit({ a: directoryOf(), d1: undefined, d2: symlinkOf('x'), z: directoryOf() })
  const version = await tree.commit({ a: undefined, d3: undefined, d4: directoryOf({ mode: 0o700 }) })

  const { store: own, reader } = await openReader(t, writer.key)
  const unlink = await link(t, store, own)
  await arrival(reader, version)
  t.alike(await reader.finished(version, signal), version)
  await reader.fetch(version, signal)
  t.alike(await entriesAt(reader, version), tree.rows)
  const held = await heldBy(own, writer.key)
  t.ok(held < 20, `${held} blocks of ${version.length} were fetched for that`)

  const next = await tree.commit({ d5: undefined })
  await arrival(reader, next)
  await reader.fetchChanges(version, next, signal)
  t.alike(await collect(reader.changes(version, next, mustBeFine)), [['d5', undefined]])

  reader.fetchRest(next, () => true)
  await until(async () => (await heldBy(own, writer.key)) === next.length, { what: 'the rest' })
  unlink()
  await writer.close()
  await store.close()
  const { store: second, reader: other } = await openReader(t, writer.key)
  await link(t, own, second)
  await arrival(other, next)
  await other.fetch(next, signal)
  t.alike(await entriesAt(other, next), tree.rows)
  t.ok((await heldBy(second, writer.key)) < 20)
  const history = await collect(other.history(0, next, signal))
  t.is(history.length, many + 8, 'and history can be had')
  await reader.close()
  await other.close()
})

const liars: ReadonlyArray<[name: string, publish: (tree: Tree, writer: LogWriter) => Promise<Version>]> = [
  ['is garbage', (_, writer) => writer.publishSnapshot([Buffer.from('garbage')], many, 0)],
  ['has blocks of over two megabytes', (_, writer) => writer.publishSnapshot([Buffer.alloc(3_000_000)], many, 0)],
  ['has no blocks', (_, writer) => writer.publishSnapshot([], many, 0)],
  ['says that it has more entries', (tree) => tree.publish(tree.rows, many + 1)],
  ['removes', (tree) => tree.publish([...tree.rows, [pathOf('z'), undefined]])],
  ['has fewer entries than the tree', (tree) => tree.publish(tree.rows.slice(1))],
  ['has a path that the tree lacks', (tree) => tree.publish([...tree.rows, [pathOf('extra'), directoryOf()]])],
  ['claims more entries than there ever were', (tree) => tree.publish(tree.rows, 2 ** 40)]
]
for (const [name, publish] of liars) {
  test(`the tree is read where a snapshot ${name}`, async (t) => {
    const { store, writer, tree } = await openTree(t)
    await publish(tree, writer)
    const version = await tree.commit({ d7: undefined })
    const { store: own, reader } = await openReader(t, writer.key)
    await link(t, store, own)
    await arrival(reader, version)
    await reader.fetch(version, signal)
    const first = await entriesAt(reader, version).catch((error: unknown) => error)
    t.ok(Array.isArray(first) || first instanceof UnfitSnapshot, 'it is not begun with, or given up')
    await reader.fetch(version, signal)
    t.alike(await entriesAt(reader, version), tree.rows)
    t.is(await heldBy(own, writer.key), version.length)
    await reader.close()
  })
}

test('a reader falls back to the tree when no peer has the snapshot', async (t) => {
  const { store, writer, tree } = await openTree(t)
  const { store: firstStore, reader: first } = await openReader(t, writer.key)
  const unlink = await link(t, store, firstStore)
  await tree.publish()
  const version = await tree.commit({ d7: undefined })
  await arrival(first, version)
  await first.history(0, version, signal).next()
  unlink()

  const { store: own, reader } = await openReader(t, writer.key)
  await link(t, firstStore, own)
  await arrival(reader, version)
  await reader.fetch(version, signal)
  t.alike(await entriesAt(reader, version), tree.rows)
  await first.close()
  await reader.close()
})

test('waiting for a snapshot or a head ends when its signal aborts', async (t) => {
  // Waiting alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const { store, writer, tree } = await openTree(t)
  const version = await tree.publish()
  const { store: own, reader } = await openReader(t, writer.key)
  const unlink = await link(t, store, own)
  await arrival(reader, version)
  await reader.head(version, signal)
  unlink()
  await until(() => !reader.hasPeers, { what: 'the end of the connection' })

  const before = { ...version, length: version.length - 1 }
  for (const wait of [
    (end: AbortSignal) => reader.fetch(version, end),
    (end: AbortSignal) => reader.head(before, end),
    (end: AbortSignal) => reader.history(0, version, end).next()
  ]) {
    // At once, while it checks whether the blocks are here, and later.
    for (const turns of [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 100]) {
      const end = new AbortController()
      const failure = failureOf(() => wait(end.signal))
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
      end.abort()
      t.ok(await failure)
    }
  }
  await reader.close()
})
