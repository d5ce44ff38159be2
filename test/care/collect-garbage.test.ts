import { test } from 'brittle'
import { retained } from '../../src/care/collect-garbage.ts'
import { headOf } from '../support/log.ts'

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
