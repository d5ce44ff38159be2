import { type Assert, test } from 'brittle'
import { encodeEntry } from '../../../src/format/entry-codec.ts'
import { encodeHead, headKey } from '../../../src/format/head-codec.ts'
import {
  beeOf,
  changesOf,
  contentKeyOf,
  entriesOf,
  entryOf,
  extentsIn,
  headEndingAt,
  headOf,
  historyOf,
  versionOf
} from '../../../src/log/bee/entries.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { codeOf, failureOf } from '../../support/failure.ts'
import { collect, openStore, headOf as someHead } from '../../support/log.ts'

const { signal } = new AbortController()
const onProblem = () => {
  throw new Error('A problem was reported')
}

type Pair = readonly [key: string, entry: Entry | undefined]

async function openLog(t: Assert) {
  const core = await (await openStore(t)).named('entries')
  const bee = beeOf(core)
  await bee.ready()
  const put = async (pairs: readonly Pair[], { headFirst = false } = {}): Promise<Version> => {
    const batch = bee.batch()
    const head = () => batch.put(Buffer.from(headKey), encodeHead(someHead({ puts: pairs.length })))
    if (headFirst) await head()
    for (const [key, entry] of pairs) {
      if (entry === undefined) await batch.del(Buffer.from(key))
      else await batch.put(Buffer.from(key), encodeEntry(entry))
    }
    if (!headFirst) await head()
    await batch.flush()
    return { fork: 0, length: core.length }
  }
  return { core, bee, put }
}

test('a version is the length of a log beyond its header', async (t) => {
  const { core, put } = await openLog(t)
  t.is(versionOf(core), undefined)
  await put([['a', directoryOf()]])
  t.alike(versionOf(core), { fork: 0, length: 3 })
})

test('the head is the last block of a version, or is searched for in the tree', async (t) => {
  const { bee, put } = await openLog(t)
  let searches = 0
  const onSearch = () => searches++
  const one = await put([['a', directoryOf()]])
  t.is((await headOf(bee, one, { onSearch })).puts, 1)
  t.is(searches, 0)
  const pairs: Pair[] = [
    ['b', directoryOf()],
    ['c', directoryOf()]
  ]
  const two = await put(pairs, { headFirst: true })
  t.is((await headOf(bee, two, { onSearch, signal })).puts, 2)
  t.is(searches, 1)
  t.is((await headEndingAt(bee, one, signal))?.puts, 1)
  t.is(await headEndingAt(bee, { fork: 0, length: 2 }, signal), undefined, 'no batch ended there')
  t.is(await failureOf(() => headOf(bee, one, { signal: AbortSignal.abort('reason') })), 'reason')
})

test('entries, changes and history of versions are those that were put', async (t) => {
  const { bee, put } = await openLog(t)
  const first = await put([
    ['a', directoryOf()],
    ['b', symlinkOf('a')]
  ])
  const second = await put([
    ['a', undefined],
    ['c', directoryOf()]
  ])
  const third = await put([['c', symlinkOf('b')]])
  t.alike(await collect(entriesOf(bee, first, onProblem)), [
    ['a', directoryOf()],
    ['b', symlinkOf('a')]
  ])
  t.alike(await collect(entriesOf(bee, third, onProblem)), [
    ['b', symlinkOf('a')],
    ['c', symlinkOf('b')]
  ])
  t.alike(await entryOf(bee, second, pathOf('c'), signal), directoryOf())
  t.is(await entryOf(bee, third, pathOf('a'), signal), undefined)
  t.alike(
    await collect(changesOf(bee, first, third, onProblem)),
    [
      ['a', undefined],
      ['c', symlinkOf('b')]
    ],
    'each path once'
  )
  t.alike(
    await collect(historyOf(bee, first.length, third)),
    [
      ['a', undefined],
      ['c', directoryOf()],
      ['c', symlinkOf('b')]
    ],
    'each change'
  )
})

test('extents are read from the values of files alone', (t) => {
  const extents = [{ core: 0, block: 3, blocks: 1, offset: 0, length: 7, packed: false }]
  const value = encodeEntry(fileOf('content', { extents }))
  t.alike(extentsIn({ key: Buffer.from('f'), value }), extents)
  t.alike(extentsIn({ key: Buffer.from('../f'), value }), extents, 'of an invalid path, too')
  t.alike(extentsIn({ key: Buffer.from('\0f'), value }), [], 'keys of our own are no paths')
  t.alike(extentsIn({ key: Buffer.from('f'), value: Buffer.from('garbage') }), [])
  t.alike(extentsIn({ key: Buffer.from('f'), value: null }), [])
  t.alike(extentsIn({ key: Buffer.from('d'), value: encodeEntry(directoryOf()) }), [])
})

test("the content core's key is in the header, or the log is damaged", async (t) => {
  const store = await openStore(t)
  const withKey = async (name: string, key: (own: Uint8Array) => Uint8Array | undefined) => {
    const core = await store.named(name)
    const bee = beeOf(core, key(core.key))
    await bee.ready()
    await bee.batch().flush()
    const batch = bee.batch()
    await batch.put(Buffer.from('a'), Buffer.from('b'))
    await batch.flush()
    return bee
  }
  const key = Buffer.alloc(32, 9)
  t.alike(await contentKeyOf(await withKey('a', () => key)), key)
  t.is(await codeOf(async () => contentKeyOf(await withKey('b', () => undefined))), 'DAMAGED', 'none')
  t.is(await codeOf(async () => contentKeyOf(await withKey('c', () => key.subarray(1)))), 'DAMAGED', 'too short')
  t.is(await codeOf(async () => contentKeyOf(await withKey('d', (own) => own))), 'DAMAGED', 'its own')
})
