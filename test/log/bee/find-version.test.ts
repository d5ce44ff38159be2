import { type Assert, test } from 'brittle'
import { SyncError } from '../../../src/errors.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import type { Version } from '../../../src/tree/tree.ts'
import type { VersionName } from '../../../src/tree/version-name.ts'
import { directoryOf, pathOf } from '../../support/entries.ts'
import { arrival, commit, headOf, link, openReader, openWriter } from '../../support/log.ts'

const { signal } = new AbortController()

async function refusal(act: Promise<unknown>): Promise<string> {
  try {
    return `found ${JSON.stringify(await act)}`
  } catch (error) {
    if (error instanceof SyncError && error.code === 'NO_SUCH_VERSION') return error.message
    throw error
  }
}

/** A reader of a log of four versions, the third of which changed nothing, and the last of several batches. */
async function startReader(t: Assert) {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  t.teardown(() => reader.close(), { order: 0 })
  const versions: Version[] = []
  versions.push(await commit(writer, { a: directoryOf(), b: directoryOf() }, { timeMs: 1000, puts: 2 }))
  versions.push(await commit(writer, { b: undefined }, { timeMs: 3000, removals: 1 }))
  versions.push(await commit(writer, {}, { timeMs: 2000 }))
  const changes = new Map<TreePath, Entry>()
  for (let i = 0; i < 5500; i++) changes.set(pathOf(`d${i}`), directoryOf())
  versions.push(await writer.commit(changes, headOf({ timeMs: 4000, puts: 5500 })))
  await link(t, store, own)
  const latest = versions.at(-1) as Version
  await arrival(reader, latest)
  const find = (name: VersionName) => reader.find(name, latest, signal)
  return { reader, versions, latest, find }
}

test('versions are found by number, counted back, and by time', async (t) => {
  const { versions, find } = await startReader(t)
  const [first, second, third, fourth] = versions as [Version, Version, Version, Version]
  for (const version of versions) t.alike(await find({ by: 'number', number: version.length }), version)
  t.alike(await find({ by: 'back', count: 1 }), third)
  t.alike(await find({ by: 'back', count: 2 }), second)
  t.alike(await find({ by: 'back', count: 3 }), first)
  t.alike(await find({ by: 'time', timeMs: 4000 }), fourth)
  t.alike(await find({ by: 'time', timeMs: 9999 }), fourth)
  t.alike(await find({ by: 'time', timeMs: 3999 }), third, 'the clock went back: the order is the log’s')
  t.alike(await find({ by: 'time', timeMs: 2999 }), third)
  t.alike(await find({ by: 'time', timeMs: 1999 }), first)
  t.ok(second.length < third.length)
})

test('a number that is no version is refused, with the nearest version before it', async (t) => {
  const { versions, latest, find } = await startReader(t)
  const [first, second, third] = versions as [Version, Version, Version]
  const number = (of: number) => refusal(find({ by: 'number', number: of }))
  t.is(await number(latest.length + 1), `There is no version ${latest.length + 1}: the newest is ${latest.length}`)
  t.is(
    await number(second.length - 1),
    `There is no version ${second.length - 1}; the one before it is ${first.length}`
  )
  // A batch ends there, but not the version.
  t.is(
    await number(third.length + 5001),
    `There is no version ${third.length + 5001}; the one before it is ${third.length}`
  )
  t.is(await number(1), 'There is no version 1. Its number is what share prints')
  t.is(await number(third.length + 3000), `There is no version ${third.length + 3000}. Its number is what share prints`)
  t.is(await refusal(find({ by: 'back', count: 4 })), 'There is no version -4: there are 3 before the newest')
  t.is(
    await refusal(find({ by: 'time', timeMs: 999 })),
    'There is no version of 1970-01-01T00:00:00.999Z or before: the first is of 1970-01-01T00:00:01.000Z'
  )
})

test('one entry of a version is read without the others', async (t) => {
  const { reader, versions } = await startReader(t)
  const [first, second] = versions as [Version, Version]
  t.alike(await reader.entryAt(first, pathOf('b'), signal), directoryOf())
  t.is(await reader.entryAt(second, pathOf('b'), signal), undefined)
  t.is(await reader.entryAt(second, pathOf('nothing'), signal), undefined)
  t.is((await reader.headEndingAt(second, signal))?.timeMs, 3000)
  t.is(await reader.headEndingAt({ ...second, length: second.length - 1 }, signal), undefined)
})
