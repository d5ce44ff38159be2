import { type Assert, test } from 'brittle'
import { type CollectOptions, collectGarbage, retained } from '../../src/care/collect-garbage.ts'
import { content } from '../../src/query/content.ts'
import { bytesOf } from '../support/bytes.ts'
import { codeOf } from '../support/failure.ts'
import { headOf } from '../support/log.ts'
import { collectAll } from '../support/log-source.ts'
import { Share } from '../support/share.ts'

interface Case {
  /** Times of the versions, from the newest on; a negative one changed nothing. */
  readonly times: readonly number[]
  readonly sinceMs: number
  readonly keepVersions: number
  readonly kept: number
}

const cases: ReadonlyArray<[name: string, it: Case]> = [
  ['nothing of nothing', { times: [], sinceMs: 0, keepVersions: 1, kept: 0 }],
  ['the newest, however old', { times: [9, 8, 7], sinceMs: 100, keepVersions: 1, kept: 1 }],
  ['the young ones, and the one in force before them', { times: [9, 8, 7, 6], sinceMs: 7, keepVersions: 1, kept: 3 }],
  ['one that is just as old as that is not young', { times: [9, 8, 7], sinceMs: 8, keepVersions: 1, kept: 2 }],
  ['all where all are young', { times: [9, 8, 7], sinceMs: 1, keepVersions: 1, kept: 3 }],
  ['so many as are wanted at least', { times: [9, 8, 7, 6], sinceMs: 100, keepVersions: 3, kept: 3 }],
  ['more are wanted than there are', { times: [9, 8], sinceMs: 100, keepVersions: 3, kept: 2 }],
  ['without those that changed nothing', { times: [9, -8, -7, 6, 5], sinceMs: 100, keepVersions: 2, kept: 4 }],
  [
    'what came after a young one, by a clock that went back',
    { times: [9, 1, 8, 7], sinceMs: 7, keepVersions: 1, kept: 4 }
  ]
]

for (const [name, { times, sinceMs, keepVersions, kept }] of cases) {
  test(`kept is ${name}`, async (t) => {
    const versions = times.map((time, i) => ({
      version: { fork: 1, length: 100 - i },
      head: headOf({ timeMs: Math.abs(time), puts: time < 0 ? 0 : 1 })
    }))
    const result = await retained(inTurn(versions), sinceMs, keepVersions)
    t.is(result.count, kept)
    t.is(result.isCut, kept < times.length)
    t.is(result.oldest?.version.length, kept === 0 ? undefined : 101 - kept)
  })
}

async function* inTurn<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}

const { signal } = new AbortController()
const size = 200_000

/** A share with three versions of a file, each a block or more. */
async function edited(t: Assert) {
  const share = await Share.open(t)
  for (const seed of [1, 3, 5]) {
    share.write('a', bytesOf(size, seed))
    await share.publish(t)
  }
  const collect = (options: CollectOptions) => collectGarbage(share.collectable(share.publisher(t)), options, signal)
  const bytes = async (version: string) =>
    Buffer.concat(await collectAll((await content(share.source, { path: 'a', version }, signal)).bytes))
  return { share, collect, bytes }
}

test('contents that no kept version needs are cleared, and counted first in a dry run', async (t) => {
  const { share, collect, bytes } = await edited(t)
  const planned = await collect({ keepMs: 0, dryRun: true })
  t.alike([planned.versionsKept, planned.isCut, planned.bytes], [1, true, 2 * size])
  t.is(planned.after, planned.before)
  t.alike(await bytes('-2'), bytesOf(size, 1), 'nothing is cleared by it')
  const done = await collect({ keepMs: 0 })
  t.alike({ ...done, before: 0, after: 0 }, { ...planned, before: 0, after: 0 })
  t.alike(done.oldest?.version, share.version.length)
  t.alike(await bytes(String(share.version.length)), bytesOf(size, 5))
  const { content: core } = share.writer.cores()
  const entry = (await share.entries()).get('a')
  const kept =
    entry?.type === 'file'
      ? entry.extents.flatMap(({ block, blocks }) => Array.from({ length: blocks }, (_, i) => block + i))
      : []
  const held: number[] = []
  for (let i = 0; i < (core?.length ?? 0); i++) if (await core?.has(i)) held.push(i)
  t.alike(held, kept)
  t.is((await collect({ keepMs: 0 })).blocks, 0, 'once')
})

test('versions that are young, or wanted, keep their contents', async (t) => {
  const { collect, bytes } = await edited(t)
  const young = await collect({ keepMs: 3_600_000 })
  t.alike([young.versionsKept, young.isCut, young.blocks], [3, false, 0])
  const wanted = await collect({ keepMs: 0, keepVersions: 2 })
  t.alike([wanted.versionsKept, wanted.isCut, wanted.bytes], [2, true, size])
  t.alike(await bytes('-1'), bytesOf(size, 3))
})

test('a cleared chunk is forgotten, so that it is stored again when it comes back', async (t) => {
  const { share, collect, bytes } = await edited(t)
  await collect({ keepMs: 0 })
  share.write('a', bytesOf(size, 1))
  await share.publish(t)
  t.alike(await bytes(String(share.version.length)), bytesOf(size, 1))
})

test('an empty log has nothing to collect', async (t) => {
  const share = await Share.open(t)
  const { versionsKept, oldest, blocks } = await collectGarbage(
    share.collectable(share.publisher(t)),
    { keepMs: 0 },
    signal
  )
  t.alike([versionsKept, oldest, blocks], [0, null, 0])
})

test('a log of which a part is missing is left alone', async (t) => {
  const { share } = await edited(t)
  await share.writer.cores().entries.clear(1, 3)
  const from = share.collectable(share.publisher(t))
  t.is(await codeOf(() => collectGarbage(from, { keepMs: 0 }, signal)), 'NO_PEER')
})
