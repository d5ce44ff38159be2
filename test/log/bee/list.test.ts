import { type Assert, test } from 'brittle'
import fc from 'fast-check'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { pairsIn, type Range } from '../../../src/log/bee/bee-range.ts'
import { BeeView } from '../../../src/log/bee/bee-view.ts'
import { beeOf, entriesOf, versionOf } from '../../../src/log/bee/entries.ts'
import { listedEntry, listOf } from '../../../src/log/bee/list.ts'
import type { LogWriter } from '../../../src/log/writer.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import { isBeneath, parentPath, type TreePath } from '../../../src/tree/path.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { directoryOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { beeBlock } from '../../support/hostile-writer.ts'
import { collect, commit, flat, openStore, openWriter } from '../../support/log.ts'
import { Problems } from '../../support/problems.ts'
import { fuzzRuns, holds, must } from '../../support/property.ts'

const value = Buffer.from('value')
type Levels = Parameters<typeof beeBlock>[2]

/** Names that lie around a slash in the order of bytes, one within the other. */
const name = fc.constantFrom('a', 'a!', 'a.b', 'a-', 'a0', 'aa', 'A', 'b', 'é', '🦉', 'a\u{10ffff}', '~', '\u0001')
const anyPath = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => pathOf(names.join('/')))
const edits = fc.array(fc.tuple(anyPath, fc.boolean()), { minLength: 1, maxLength: 60 })

async function listed(core: Hypercore, version: Version, directory: TreePath | '', recursive: boolean) {
  const problems = new Problems()
  const rows = await collect(flat(listOf(core, version, directory, { recursive, onProblem: problems.add })))
  must(problems.list.length === 0, JSON.stringify(problems.list))
  return rows.map(([path]) => path)
}

test('listing a directory agrees with the whole tree at every version', async (t) => {
  const store = await openStore(t)
  let cores = 0
  await holds(
    t,
    fc.asyncProperty(fc.array(edits, { minLength: 1, maxLength: 3 }), async (batches) => {
      const core = await store.named(`core ${cores++}`)
      const bee = beeOf(core, Buffer.alloc(32, 1))
      await bee.ready()
      const { writeEntries } = writerOf(bee)
      const versions: Version[] = []
      for (const batch of batches) {
        await writeEntries(batch)
        versions.push(versionOf(core) as Version)
      }
      for (const version of versions) await mustList(core, bee, version)
      await bee.close()
    }),
    { numRuns: 25 }
  )
})

function writerOf(bee: Hyperbee) {
  const writeEntries = async (batch: readonly (readonly [TreePath, boolean])[]) => {
    const writing = bee.batch()
    // The head, as a writer has it: it is no path, and stands before all of them.
    await writing.put(Buffer.from('\0head'), value)
    for (const [path, isPut] of batch) {
      // A directory by FORMAT.md: version, type, time, mode.
      if (isPut) await writing.put(Buffer.from(path), Buffer.from([1, 2, 0, 0xed]))
      else await writing.del(Buffer.from(path))
    }
    await writing.flush()
  }
  return { writeEntries }
}

async function mustList(core: Hypercore, bee: Hyperbee, version: Version): Promise<void> {
  const all = (await collect(entriesOf(bee, version, () => {}))).map(([path]) => path)
  const directories = new Set<TreePath | ''>(['', ...all, ...all.map((path) => parentPath(path)), pathOf('none')])
  for (const directory of directories) {
    const deep = await listed(core, version, directory, true)
    must(
      same(
        deep,
        all.filter((path) => isBeneath(path, directory))
      ),
      `all in ${directory}: ${deep}`
    )
    const flat = await listed(core, version, directory, false)
    must(
      same(
        flat,
        deep.filter((path) => parentPath(path) === directory)
      ),
      `in ${directory}: ${flat}`
    )
  }
  for (const path of [...all, pathOf('none'), pathOf('a/none')])
    must(
      ((await listedEntry(new BeeView(core, version.length), path)) !== undefined) === all.includes(path),
      `entry ${path}`
    )
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Blocks that were read through a core, each counted once. */
function countReads(core: Hypercore): () => number {
  const read = new Set<number>()
  const snapshot = core.snapshot.bind(core)
  core.snapshot = (...args: Parameters<typeof snapshot>) => {
    const copy = snapshot(...args)
    const get = copy.get.bind(copy)
    copy.get = ((index: number, ...rest: []) => {
      read.add(index)
      return get(index, ...rest)
    }) as typeof copy.get
    return copy
  }
  return () => read.size
}

test('listing a directory reads no entries of others', async (t) => {
  const { store, writer } = await openWriter(t)
  const changes: Record<string, Entry> = { flat: directoryOf() }
  for (let d = 0; d < 40; d++) {
    changes[`dir-${d}`] = directoryOf()
    for (let i = 0; i < 100; i++) changes[`dir-${d}/file-${i}`] = symlinkOf(`${i}`)
  }
  const version = await commit(writer, changes)
  const core = await store.named('entries')
  const reads = countReads(core)
  t.is((await listed(core, version, pathOf('dir-17'), false)).length, 100)
  const one = reads()
  t.ok(one < 400, `${one} blocks were read of ${core.length}`)
  t.is((await listed(core, version, '', false)).length, 41)
  t.ok(reads() - one < 1500, `${reads() - one} blocks were read for the top, of ${core.length}`)
})

test('an empty version lists nothing, and an invalid entry is reported by itself', async (t) => {
  const { writer, store } = await openWriter(t)
  const empty = await commit(writer, {})
  const core = await store.named('entries')
  t.alike(await listed(core, empty, '', true), [])
  const batch = beeOf(core).batch()
  await batch.put(Buffer.from('good'), Buffer.from([1, 2, 0, 0xed]))
  await batch.put(Buffer.from('bad'), Buffer.from([9]))
  await batch.put(Buffer.from('../up'), Buffer.from([1, 2, 0, 0xed]))
  await batch.flush()
  const problems = new Problems()
  const version = versionOf(core) as Version
  const rows = await collect(flat(listOf(core, version, '', { recursive: true, onProblem: problems.add })))
  t.alike(
    rows.map(([path]) => path),
    ['good']
  )
  t.alike(problems.list.map(({ path }) => path).sort(), ['../up', 'bad'])
  t.is(await listedEntry(new BeeView(core, version.length), pathOf('bad')), undefined)
})

let cores = 0
async function openBroken(t: Assert, levels: (next: number) => Levels): Promise<Hypercore> {
  const core = await (await openStore(t)).named(`core ${cores++}`)
  const bee = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary', extension: false })
  await bee.ready()
  const batch = bee.batch()
  await batch.put(Buffer.from('a'), value)
  await batch.put(Buffer.from('b'), value)
  await batch.flush()
  await core.append(beeBlock('z', value, levels(core.length)))
  return core
}

const everything: Range = { from: Buffer.alloc(0), to: undefined }

async function keysIn(core: Hypercore, range = everything): Promise<string[]> {
  const view = new BeeView(core, core.length)
  const keys: string[] = []
  try {
    for await (const { key } of flat(pairsIn(view, range))) keys.push(key.toString())
  } finally {
    await view.close()
  }
  return keys
}

const broken: ReadonlyArray<[name: string, levels: (next: number) => Levels]> = [
  ['a node that is its own child', (next) => [{ keys: [next], children: [next, 0, next, 0] }]],
  [
    'nodes that are one another’s child',
    (next) => [
      { keys: [next], children: [next, 1, next, 1] },
      { keys: [next], children: [next, 0, next, 0] }
    ]
  ],
  ['a child whose keys lie beyond its bounds', (next) => [{ keys: [1], children: [next, 1, 2, 0] }, { keys: [2] }]],
  [
    'branches that are shared, of a billion leaves',
    (next) => [
      { keys: [1, 2, next], children: [next, 1, next, 1, next, 1, next, 1] },
      ...Array.from({ length: 20 }, (_, i) => ({
        keys: [1, 2, next],
        children: [next, i + 2, next, i + 2, next, i + 2, next, i + 2]
      })),
      { keys: [1] }
    ]
  ],
  ['a child without keys', (next) => [{ keys: [next], children: [next, 1, next, 1] }, { keys: [] }]],
  ['too few children', () => [{ keys: [1, 2], children: [1, 0, 1, 0] }]],
  ['a node that names a later block', (next) => [{ keys: [1, next + 5] }]],
  ['a node that names the header', () => [{ keys: [0] }]],
  ['a child that is not there', (next) => [{ keys: [next], children: [2, 9, 2, 9] }]],
  ['keys out of order', (next) => [{ keys: [1, next, 2] }]],
  ['a key twice', (next) => [{ keys: [1, 2, 2, next] }]]
]
for (const [name, levels] of broken) {
  test(`a range refuses ${name}`, async (t) => {
    const core = await openBroken(t, levels)
    const error = await failureOf(() => keysIn(core))
    t.ok(error instanceof RangeError, String(error))
    t.is((error as Error).constructor.name, 'RangeError', 'it is damage, not absence')
  })
}

test('a range ends, throws nothing but RangeError, and yields ascending keys, on any nodes', async (t) => {
  const store = await openStore(t)
  const number = fc.oneof({ weight: 9, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.nat() })
  const level = fc.record({ keys: fc.array(number, { maxLength: 4 }), children: fc.array(number, { maxLength: 10 }) })
  const block = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.array(level, { maxLength: 4 }).map((levels) => beeBlock(`${levels.length}`, value, levels))
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) }
  )
  await holds(
    t,
    fc.asyncProperty(fc.array(block, { minLength: 2, maxLength: 6 }), async (blocks) => {
      const core = await store.named(`fuzzed ${cores++}`)
      await core.append(blocks)
      for (const range of [everything, { from: Buffer.from('1'), to: Buffer.from('3') }]) {
        const answer = await keysIn(core, range).catch((error: unknown) => error)
        if (Array.isArray(answer)) must(same(answer, [...new Set(answer as string[])].sort()), String(answer))
        else must(answer instanceof RangeError, String(answer))
      }
      await core.close()
    }),
    { numRuns: Math.min(fuzzRuns(200), 20_000) }
  )
})

test('an abort ends the wait for a block that nobody sends', async (t) => {
  const { writer } = await openWriter(t)
  await commit(writer, { a: directoryOf(), b: directoryOf() })
  await mustEnd(t, writer)
})

/** A reader that knows how long the log is, and has nothing of it. */
async function mustEnd(t: Assert, writer: LogWriter): Promise<void> {
  const core = await (await openStore(t)).keyed(Buffer.alloc(32, 7))
  const stop = new AbortController()
  const version = writer.version as Version
  const options = { recursive: true, onProblem: () => {}, signal: stop.signal }
  const listing = failureOf(() => collect(flat(listOf(core, version, '', options))))
  stop.abort()
  t.ok(await listing)
}
