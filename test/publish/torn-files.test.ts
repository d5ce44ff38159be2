import { test } from 'brittle'
import { retryAfter, TornFiles } from '../../src/publish/torn-files.ts'
import { pathOf } from '../support/entries.ts'

const schedule: ReadonlyArray<[failures: number, afterMs: number, isReported: boolean]> = [
  [1, 200, false],
  [2, 400, false],
  [4, 1600, false],
  [5, 3200, true],
  [9, 51_200, true],
  [10, 60_000, true],
  [2000, 60_000, true]
]

for (const [failures, afterMs, isReported] of schedule) {
  test(`failure ${failures} in a row is retried after ${afterMs} ms`, (t) => {
    t.alike(retryAfter(failures), { afterMs, isReported })
  })
}

test('each file has a count of its own, which a read resets', (t) => {
  const torn = new TornFiles()
  const [a, b] = [pathOf('a'), pathOf('b')]
  t.is(torn.failed(a).afterMs, 200)
  t.is(torn.failed(a).afterMs, 400)
  t.is(torn.failed(b).afterMs, 200)
  torn.wasRead(a)
  t.is(torn.failed(a).afterMs, 200)
  t.is(torn.failed(b).afterMs, 400)
})
