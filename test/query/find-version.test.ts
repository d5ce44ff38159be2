import { type Assert, test } from 'brittle'
import { findNamedVersion } from '../../src/query/find-version.ts'
import type { Version } from '../../src/tree/tree.ts'
import type { VersionName } from '../../src/tree/version-name.ts'
import { directoryOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { commit } from '../support/log.ts'
import { openLogSource } from '../support/log-source.ts'

/** A log with a version at each of these times, of a few blocks each. */
async function logOf(t: Assert, times: readonly number[]) {
  const { writer, source } = await openLogSource(t)
  const versions: Version[] = []
  for (const [i, timeMs] of times.entries()) {
    const changes = Object.fromEntries(Array.from({ length: (i % 3) + 1 }, (_, j) => [`d${i}-${j}`, directoryOf()]))
    versions.push(await commit(writer, changes, { timeMs }))
  }
  const { view } = source
  const find = (name: VersionName) =>
    findNamedVersion(view, (version) => view.head(version), versions.at(-1) as Version, name)
  return { versions, find }
}

const times = [1000, 2000, 3000, 4000, 5000, 6000, 7000]

test('by number: a version is found, and the nearest are named where there is none', async (t) => {
  const { versions, find } = await logOf(t, times)
  for (const version of versions) t.alike(await find({ by: 'number', number: version.length }), version)
  const [third, fourth] = [versions[2]?.length ?? 0, versions[3]?.length ?? 0]
  const missing = await failureOf(() => find({ by: 'number', number: third + 1 }))
  t.is(String((missing as Error).message), `There is no version ${third + 1}. Near it are ${third} and ${fourth}`)
  const beyond = await failureOf(() => find({ by: 'number', number: 999 }))
  t.is((beyond as Error).message, `There is no version 999. The latest is ${versions.at(-1)?.length}`)
})

test('back: so many versions before the latest', async (t) => {
  const { versions, find } = await logOf(t, times)
  for (let count = 1; count < times.length; count++) {
    t.alike(await find({ by: 'back', count }), versions[times.length - 1 - count])
  }
  const beyond = await failureOf(() => find({ by: 'back', count: 7 }))
  t.is((beyond as Error).message, `There are only 7 versions, the first is ${versions[0]?.length}`)
})

test('by time: the last version at or before it', async (t) => {
  const { versions, find } = await logOf(t, times)
  for (const [i, timeMs] of times.entries()) {
    t.alike(await find({ by: 'time', timeMs }), versions[i], `at ${timeMs}`)
    t.alike(await find({ by: 'time', timeMs: timeMs + 999 }), versions[i], `just before ${timeMs + 1000}`)
  }
  const before = await failureOf(() => find({ by: 'time', timeMs: 999 }))
  t.is((before as Error).message, 'The log begins later: its first version is of 1970-01-01T00:00:01.000Z')
})

test('by time, where the clock went back: one of the versions at such a time', async (t) => {
  const { versions, find } = await logOf(t, [1000, 5000, 2000, 6000, 7000])
  const found = await find({ by: 'time', timeMs: 2500 })
  t.ok(versions[0]?.length === found.length || versions[2]?.length === found.length)
})
