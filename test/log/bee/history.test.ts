import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import type Hypercore from 'hypercore'
import {
  endAtOrAfter,
  type Fetch,
  type HistoryOptions,
  previousEnd,
  type VersionReport,
  versionsBack,
  versionsSince
} from '../../../src/log/bee/history.ts'
import { LogWriter } from '../../../src/log/writer.ts'
import { findNamedVersion } from '../../../src/query/find-version.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { parseVersionName } from '../../../src/tree/version-name.ts'
import { packageRoot } from '../../support/cli.ts'
import { directoryOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { codeOf, failureOf } from '../../support/failure.ts'
import { beeBlock } from '../../support/hostile-writer.ts'
import { commit, headOf, openStore, openWriter } from '../../support/log.ts'

const all: Fetch = async () => {}
const directory = directoryOf()

async function gathered(versions: AsyncIterable<VersionReport>) {
  const told: VersionReport[] = []
  for await (const version of versions) told.push(version)
  return told
}

/** Versions as `length<before: paths`, a minus before those that go. */
function lines(told: readonly VersionReport[]): string[] {
  return told.map(({ version, before, changes }) => {
    const paths = changes.map(([path, entry]) => (entry === undefined ? `-${path}` : path))
    return `${version.length}<${before}: ${paths.join(' ')}`
  })
}

async function since(core: Hypercore, from: number, to: Version, options: Partial<HistoryOptions> = {}) {
  return lines(await gathered(versionsSince(core, from, to, { fetch: all, ...options })))
}

async function back(core: Hypercore, after: number, from: Version, options: Partial<HistoryOptions> = {}) {
  return lines(await gathered(versionsBack(core, after, from, { fetch: all, ...options })))
}

test('versions are reported one by one, forwards and backwards, with their paths', async (t) => {
  const { store, writer } = await openWriter(t)
  const versions = [
    await commit(writer, { a: directory, 'a/x': symlinkOf('1'), b: directory }),
    await commit(writer, { 'a/x': undefined, 'b/x': symlinkOf('1') }),
    await commit(writer, {}),
    await commit(writer, { 'a!': directory, b: undefined, 'b/x': undefined }),
    await commit(writer, { a: directory })
  ]
  const core = await store.named('entries')
  const latest = versions[4] as Version
  const told = ['5<1: a a/x b', '8<5: -a/x b/x', '9<8: ', '13<9: a! -b -b/x', '15<13: a']
  t.alike(await since(core, 0, latest), told)
  t.alike(await back(core, 0, latest), [...told].reverse())
  t.alike(await since(core, 8, latest), told.slice(2))
  t.alike(await back(core, 8, latest), told.slice(2).reverse())
  t.alike(await back(core, 0, versions[1] as Version), told.slice(0, 2).reverse())
  for (const from of [15, 16, 100]) {
    t.alike(await since(core, from, latest), [], `nothing after ${from}`)
    t.alike(await back(core, from, latest, { path: pathOf('a') }), [])
  }

  const of = async (path: string) => {
    const found = await since(core, 0, latest, { path: pathOf(path) })
    t.alike(await back(core, 0, latest, { path: pathOf(path) }), [...found].reverse(), `back, of ${path}`)
    return found.map((line) => line.split('<')[0])
  }
  t.alike(await of('a'), ['5', '8', '15'], 'also paths beneath it, but not a!')
  t.alike(await of('b/x'), ['8', '13'])
  t.alike(await of('a/x'), ['5', '8'])
  t.alike(await of('none'), [])

  const ends = [5, 8, 9, 13, 15]
  for (const [i, end] of ends.entries()) t.is(await previousEnd(core, end, all), ends[i - 1] ?? 1)
  for (let length = 0; length <= 15; length++)
    t.is(
      await endAtOrAfter(core, length, 15, all),
      ends.find((end) => end >= length),
      `at or after ${length}`
    )
  t.is(await endAtOrAfter(core, 16, 15, all), undefined)
  t.ok((await failureOf(() => previousEnd(core, 12, all))) instanceof RangeError, 'no version ends there')
})

test('the batches of one version are reported as one, once it is finished', async (t) => {
  const { store, writer } = await openWriter(t)
  await commit(writer, { a: directory, b: directory })
  const many: Record<string, Entry> = {}
  for (let i = 0; i < 12_000; i++) many[`b/${i}`] = directory
  const large = await commit(writer, many)
  const unfinished = await commit(writer, { c: directory, b: undefined }, { unfinished: true })
  const core = await store.named('entries')
  const fetched: [number, number][] = []
  const fetch: Fetch = async (start, end) => void fetched.push([start, end])

  const [first, second, ...others] = await gathered(versionsSince(core, 0, unfinished, { fetch }))
  t.alike([first?.version.length, second?.version.length, others], [4, large.length, []])
  t.is(second?.changes.length, 12_000)
  t.is(second?.before, 4)
  t.is(await endAtOrAfter(core, 5, large.length, fetch), large.length)
  const widest = Math.max(...fetched.slice(1).map(([start, end]) => end - start))
  t.ok(fetched.length < 30 && widest <= 1024, `asked for ${fetched.length} times, up to ${widest} blocks`)
  t.is(await endAtOrAfter(core, large.length + 1, unfinished.length, all), undefined, 'not whole yet')

  const whole = await commit(writer, { d: directory, c: undefined })
  const last = (await gathered(versionsBack(core, large.length, whole, { fetch: all }))).map((told) => lines([told])[0])
  t.alike(last, [`${whole.length}<${large.length}: -c -b d`], 'each path once, as it is in the end')
})

test('a log of an earlier writer, whose heads come first, has a history', async (t) => {
  const fixture = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/log-v1.json'), 'utf8'))
  const store = await openStore(t)
  const core = await store.named('entries')
  for (const block of fixture.entries) await core.append(Buffer.from(block, 'base64'))
  const head = Buffer.from(fixture.entries[1], 'base64')
  const one: Version = { fork: core.fork, length: core.length }
  const all1 = '10<1: docs docs/empty docs/link LICENSE docs/none large new\nline 🦉 docs/hello.txt'
  t.alike(await since(core, 0, one), [all1])
  t.alike(await back(core, 0, one), [all1])
  t.is(await previousEnd(core, 10, all), 1)
  t.is(await endAtOrAfter(core, 4, 10, all), 10)

  // Two more, as that writer made them; the trees of their nodes don't matter here.
  await core.append([head, beeBlock('x', Buffer.alloc(0), [{ keys: [11] }])])
  await core.append([head, beeBlock('docs', Buffer.from([1, 2, 0, 0xed]), [{ keys: [13] }])])
  const three: Version = { fork: core.fork, length: core.length }
  t.alike(
    (await gathered(versionsSince(core, 0, three, { fetch: all }))).map(({ version }) => version.length),
    [10, 12, 14]
  )
  t.alike(
    (await gathered(versionsBack(core, 0, three, { fetch: all }))).map(({ version }) => version.length),
    [14, 12, 10]
  )
  t.alike(
    (await gathered(versionsBack(core, 10, three, { fetch: all }))).map(({ before }) => before),
    [12, 10]
  )
  t.is(await previousEnd(core, 14, all), 12)
  t.is(await previousEnd(core, 12, all), 10)
  for (const [length, end] of [
    [1, 10],
    [10, 10],
    [11, 12],
    [12, 12],
    [13, 14],
    [14, 14]
  ] as const)
    t.is(await endAtOrAfter(core, length, 14, all), end, `at or after ${length}`)
})

test('the history of a log spans an earlier writer and a later one', async (t) => {
  const store = await openStore(t)
  const fixture = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/log-v1.json'), 'utf8'))
  const core = await store.named('entries')
  for (const block of fixture.entries) await core.append(Buffer.from(block, 'base64'))
  const writer = await LogWriter.open(store)
  const two = await commit(writer, { 'docs/none': undefined })
  const three = await commit(writer, { later: directory })
  const ends = [10, two.length, three.length]
  t.alike(
    (await gathered(versionsSince(core, 0, three, { fetch: all }))).map(({ version }) => version.length),
    ends
  )
  const told = await gathered(versionsBack(core, 0, three, { fetch: all }))
  t.alike(
    told.map(({ version, before, changes }) => [version.length, before, changes.length]),
    [
      [ends[2], ends[1], 1],
      [ends[1], 10, 1],
      [10, 1, 8]
    ]
  )
  t.is(await previousEnd(core, two.length, all), 10)
  for (let length = 1; length <= three.length; length++)
    t.is(
      await endAtOrAfter(core, length, three.length, all),
      ends.find((end) => end >= length),
      `${length}`
    )
  const view = writer.view({ received: () => 0 })
  t.is((await findNamedVersion(view, (version) => view.head(version), three, { by: 'back', count: 2 })).length, 10)
})

test('a version is found by its number, by how far back it is, and by its time', async (t) => {
  const { writer } = await openWriter(t)
  const times = [1000, 2000, 2000, 3000, 4000, 5000, 6000]
  const versions: Version[] = []
  for (const [i, timeMs] of times.entries())
    versions.push(await commit(writer, { [`${i}`]: directory, [`other-${i}`]: directory }, headOf({ timeMs })))
  const view = writer.view({ received: () => 0 })
  const latest = versions.at(-1) as Version
  const find = (text: string, nowMs = 0) =>
    findNamedVersion(view, (version) => view.head(version), latest, parseVersionName(text, nowMs))
  const at = (i: number) => versions.at(i) as Version

  for (const version of versions) t.alike(await find(`${version.length}`), version)
  for (let count = 1; count < versions.length; count++) t.alike(await find(`-${count}`), at(-1 - count))
  const byTime = (timeMs: number) => find('0s', timeMs)
  for (const [timeMs, i] of [
    [1000, 0],
    [1999, 0],
    [2000, 2],
    [2500, 2],
    [3000, 3],
    [5999, 5],
    [6000, 6],
    [1e12, 6]
  ] as const)
    t.alike(await byTime(timeMs), at(i), `at ${timeMs}`)
  t.alike(await find('3s', 7500), at(4), 'so long ago')

  for (const missing of ['1', '2', '3', `${latest.length - 1}`, '999', '-7', '-999'])
    t.is(await codeOf(() => find(missing)), 'NO_SUCH_VERSION', missing)
  const { message } = (await failureOf(() => find('8'))) as Error
  t.is(message, `There is no version 8. Near it are ${at(1).length} and ${at(2).length}`)
  t.is(await codeOf(() => byTime(999)), 'NO_SUCH_VERSION')
})

test('a version at or before a time is found even if the writer’s clock went back', async (t) => {
  const { writer } = await openWriter(t)
  const times = [5000, 1000, 6000, 2000, 2000, 7000, 3000, 4000]
  const versions: Version[] = []
  for (const [i, timeMs] of times.entries()) versions.push(await commit(writer, { [`${i}`]: directory }, { timeMs }))
  const view = writer.view({ received: () => 0 })
  const latest = versions.at(-1) as Version
  for (let timeMs = 1000; timeMs <= 8000; timeMs += 500) {
    const found = await findNamedVersion(view, (version) => view.head(version), latest, { by: 'time', timeMs }).catch(
      (error: { readonly code: string }) => error.code
    )
    if (typeof found === 'string') t.is(found, 'NO_SUCH_VERSION')
    else t.ok((await view.head(found)).timeMs <= timeMs, `${timeMs}: version ${found.length}`)
  }
})
