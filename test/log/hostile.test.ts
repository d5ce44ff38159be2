import { type Assert, test } from 'brittle'
import { encodeEntry } from '../../src/format/entry-codec.ts'
import { encodeHead, headKey } from '../../src/format/head-codec.ts'
import { beeOf, changesOf, entriesOf, headOf, versionOf } from '../../src/log/bee/entries.ts'
import type { Version } from '../../src/tree/tree.ts'
import { directoryOf, fileOf, symlinkOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { collect, openStore, headOf as someHead } from '../support/log.ts'
import { Problems } from '../support/problems.ts'

const fine = encodeEntry(directoryOf())
const notUtf8 = Buffer.from([0x66, 0xff, 0xfe])

const badKeys: readonly (readonly [key: string | Buffer, word: string])[] = [
  ['../x', '".."'],
  ['a/../../x', '".."'],
  ['a/./b', '"."'],
  ['/abs', 'absolute'],
  ['a//b', 'empty name'],
  ['a/', 'empty name'],
  ['a\\b', 'backslash'],
  ['a\0b', 'NUL'],
  ['.p2psync/folder.json', 'reserved'],
  ['deep/.P2psync/x', 'reserved'],
  ['x'.repeat(256), 'longer than 255'],
  [Array.from({ length: 2100 }, () => 'd').join('/'), 'longer than 4095'],
  [notUtf8, 'not UTF-8']
]

const record = encodeEntry(
  fileOf('content', { extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: 7, packed: false }] })
)
const badValues: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  garbage: Buffer.from('garbage that is no record'),
  'cut off': record.subarray(0, record.length - 3),
  'of an unknown type': Buffer.from([1, 9, 0]),
  'with a mode of set-user-id bits': encodeEntry(directoryOf({ mode: 0o4755 })),
  'of a link to nothing': encodeEntry(symlinkOf('')),
  'of a link with a NUL': encodeEntry(symlinkOf('a\0b')),
  'of extents that are not its size': encodeEntry({ ...fileOf('content'), extents: [] })
}

/** A log that holds whatever was put into it. */
async function openLog(t: Assert) {
  const store = await openStore(t)
  const core = await store.named('entries')
  const bee = beeOf(core)
  await bee.ready()
  const put = async (pairs: readonly (readonly [key: string | Buffer, value: Buffer])[]): Promise<Version> => {
    const batch = bee.batch()
    for (const [key, value] of pairs) await batch.put(Buffer.from(key), value)
    await batch.flush()
    return versionOf(core) as Version
  }
  return { bee, put }
}

test('every path that leads out, or into our own directory, is refused and reported', async (t) => {
  const { bee, put } = await openLog(t)
  const before = await put([['a', fine]])
  const after = await put([...badKeys.map(([key]) => [key, fine] as const), ['z', fine]])

  for (const [what, pairs] of [
    ['entries', (problems: Problems) => entriesOf(bee, after, problems.add)],
    ['changes', (problems: Problems) => changesOf(bee, before, after, problems.add)]
  ] as const) {
    const problems = new Problems()
    const yielded = await collect<string, unknown>(pairs(problems))
    t.alike(
      yielded.map(([path]) => path),
      what === 'entries' ? ['a', 'z'] : ['z'],
      `${what}: the rest is there`
    )
    t.is(problems.list.length, badKeys.length)
    t.ok(problems.list.every(({ action, message }) => action === 'log' && message.startsWith('Refused: ')))
    for (const [key, word] of badKeys) {
      const path = typeof key === 'string' ? key : key.toString('latin1')
      t.ok(problems.of(path)?.includes(word), `${what}: ${JSON.stringify(path.slice(0, 20))}`)
    }
  }
})

test('every value that is no entry is refused and reported', async (t) => {
  const { bee, put } = await openLog(t)
  const before = await put([['a', fine]])
  const after = await put([...Object.entries(badValues), ['z', fine]])
  const expected = Object.keys(badValues).sort()

  const inEntries = new Problems()
  t.alike(
    (await collect(entriesOf(bee, after, inEntries.add))).map(([path]) => path),
    ['a', 'z']
  )
  t.alike(inEntries.paths, expected)

  const inChanges = new Problems()
  t.alike(
    (await collect(changesOf(bee, before, after, inChanges.add))).map(([path]) => path),
    ['z']
  )
  t.alike(inChanges.paths, expected)
})

test('an entry that turns bad is reported, and is no removal', async (t) => {
  const { bee, put } = await openLog(t)
  const before = await put([['a', fine]])
  const after = await put([['a', Buffer.from('garbage')]])
  const problems = new Problems()
  t.alike(await collect(changesOf(bee, before, after, problems.add)), [])
  t.alike(problems.paths, ['a'])
})

test('a bad value that is put right is a change like any other', async (t) => {
  const { bee, put } = await openLog(t)
  const before = await put([['a', Buffer.from('garbage')]])
  const after = await put([['a', fine]])
  const problems = new Problems()
  t.alike(await collect(changesOf(bee, before, after, problems.add)), [['a', directoryOf()]])
  t.alike(problems.list, [])
})

test('a record of a later format is read as far as it is known', async (t) => {
  const { bee, put } = await openLog(t)
  const version = await put([['a', Buffer.concat([fine, Buffer.from('more fields')])]])
  t.alike(await collect(entriesOf(bee, version, () => t.fail('a problem'))), [['a', directoryOf()]])
})

test('keys of our own are no paths, known or not', async (t) => {
  const { bee, put } = await openLog(t)
  const version = await put([
    [headKey, Buffer.from('garbage')],
    ['\0later', fine],
    ['\0', fine],
    ['a', fine]
  ])
  t.alike(await collect(entriesOf(bee, version, () => t.fail('a problem'))), [['a', directoryOf()]])
})

test('a head that is missing or garbage is an error, and not a head', async (t) => {
  const { bee, put } = await openLog(t)
  const without = await put([['a', fine]])
  const garbage = await put([[headKey, Buffer.from([])]])
  const right = await put([[headKey, encodeHead(someHead({ files: 3 }))]])
  t.ok((await failureOf(() => headOf(bee, without))) instanceof RangeError)
  t.ok((await failureOf(() => headOf(bee, garbage))) instanceof RangeError)
  t.alike(await headOf(bee, right), someHead({ files: 3 }))
})
