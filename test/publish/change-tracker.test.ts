import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { scanFolder } from '../../src/disk/read/scan.ts'
import { Monitor } from '../../src/folder/monitor.ts'
import { ChangeTracker, type ChangeTrackerOptions } from '../../src/publish/change-tracker.ts'
import { pathOf } from '../support/entries.ts'
import { until } from '../support/until.ts'

const never = 3_600_000
const { signal } = new AbortController()

async function openTracker(t: Assert, options: Partial<ChangeTrackerOptions> = {}) {
  const root = join(await t.tmp(), 'folder')
  mkdirSync(root)
  const tracker = new ChangeTracker(root, new Monitor(), { poll: false, pollMs: never, rescanMs: never, ...options })
  t.teardown(() => tracker.close())
  return { root, tracker }
}

const dirty = (tracker: ChangeTracker) => {
  const { everything, paths } = tracker.take()
  return { everything, paths: Object.fromEntries(paths) }
}

test('everything is dirty at first, and nothing after it was taken', async (t) => {
  const { tracker } = await openTracker(t)
  t.ok(tracker.hasNews)
  t.ok(tracker.isDirty(pathOf('any')))
  t.alike(dirty(tracker), { everything: true, paths: {} })
  t.absent(tracker.hasNews)
  t.absent(tracker.isDirty(pathOf('any')))
  t.alike(dirty(tracker), { everything: false, paths: {} })
})

test('a path keeps the deepest mark', async (t) => {
  const { tracker } = await openTracker(t)
  tracker.take()
  tracker.mark(pathOf('a'), 'shallow')
  tracker.mark(pathOf('b'), 'deep')
  tracker.mark(pathOf('b'), 'shallow')
  tracker.mark(pathOf('c'), 'shallow')
  tracker.mark(pathOf('c'), 'deep')
  t.ok(tracker.isDirty(pathOf('a')))
  t.alike(dirty(tracker), { everything: false, paths: { a: 'shallow', b: 'deep', c: 'deep' } })
})

test('a mark ends the wait, and so does an abort', async (t) => {
  const { tracker } = await openTracker(t)
  tracker.start()
  tracker.take()
  await tracker.wait(signal) // The start itself is news.
  const waited = tracker.wait(signal)
  tracker.mark(pathOf('a'), 'shallow')
  await waited
  t.alike(dirty(tracker), { everything: false, paths: { a: 'shallow' } })
  const stop = new AbortController()
  const aborted = tracker.wait(stop.signal)
  stop.abort()
  await aborted
  t.absent(tracker.hasNews)
})

for (const [name, options] of [
  ['polls', { poll: true, pollMs: 50 }],
  ['has notifications', { rescanMs: 50 }]
] as const) {
  test(`a folder that ${name} is scanned again after the interval`, async (t) => {
    const { tracker } = await openTracker(t, options)
    tracker.start()
    await tracker.wait(signal) // The start itself is news.
    tracker.take()
    await tracker.wait(signal)
    t.alike(dirty(tracker), { everything: true, paths: {} })
  })
}

test('a change in a directory that is watched makes its path dirty', async (t) => {
  const { root, tracker } = await openTracker(t)
  tracker.start()
  await scanFolder(root, { onDirectory: tracker.watch })
  tracker.take()
  writeFileSync(join(root, 'a'), 'text')
  await until(() => tracker.hasNews, { what: 'a notification' })
  t.ok(tracker.isDirty(pathOf('a')))
})

test('a directory that is polled has no watch', async (t) => {
  const { root, tracker } = await openTracker(t, { poll: true })
  tracker.start()
  await scanFolder(root, { onDirectory: tracker.watch })
  tracker.take()
  writeFileSync(join(root, 'a'), 'text')
  await new Promise<void>((resolve) => setTimeout(resolve, 300))
  t.absent(tracker.hasNews)
})

test('another directory in place of the folder starts the watch anew', async (t) => {
  const { root, tracker } = await openTracker(t)
  tracker.start()
  tracker.take()
  tracker.renew()
  t.absent(tracker.hasNews, 'the same directory is there')
  renameSync(root, `${root}.away`)
  mkdirSync(root)
  tracker.renew()
  t.alike(dirty(tracker), { everything: true, paths: {} })
})

test('a watch in doubt starts anew, a second after the last start at the earliest', async (t) => {
  const { tracker } = await openTracker(t)
  const startMs = performance.now()
  tracker.start()
  tracker.take()
  tracker.doubtWatch()
  const isRenewed = () => {
    tracker.renew()
    return tracker.hasNews
  }
  await until(isRenewed, { what: 'a new watch' })
  t.ok(performance.now() - startMs >= 1000)
})

test('quiet is told from the lack of events', async (t) => {
  const { tracker } = await openTracker(t)
  tracker.start()
  t.absent(await tracker.isQuiet(never, signal), 'the start is an event')
  t.ok(await tracker.isQuiet(20, signal))
  tracker.markAll()
  t.absent(await tracker.isQuiet(never, signal))
})
