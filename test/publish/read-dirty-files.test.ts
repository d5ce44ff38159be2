import { rmSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import type { Depth } from '../../src/disk/read/scan.ts'
import { DirtyFileQueue } from '../../src/publish/dirty-files.ts'
import { Ingest } from '../../src/publish/ingest.ts'
import { DirtyFileReader } from '../../src/publish/read-dirty-files.ts'
import { ReadProgress } from '../../src/publish/read-progress.ts'
import { scanChanges } from '../../src/publish/scan-changes.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { hashOf, pathOf } from '../support/entries.ts'
import { Share } from '../support/share.ts'
import { until } from '../support/until.ts'

/** A reader of all files of a folder, which were scanned already. */
async function openReader(t: Assert, files: Readonly<Record<string, string>>) {
  const share = await Share.open(t, files)
  const baseline = new LiveBaseline()
  const marked: [TreePath, Depth][] = []
  const context = share.context()
  const scanned = await scanChanges(context, baseline, { everything: true, paths: new Map() })
  context.tracker.take()
  const queue = new DirtyFileQueue(scanned.diff, scanned.scan)
  const ingest = new Ingest(share.root, share.writer, share.state, context)
  const progress = new ReadProgress(queue, share.monitor)
  const tracker = { mark: (path: TreePath, depth: Depth) => void marked.push([path, depth]) }
  const reader = new DirtyFileReader({ ...context, tracker }, baseline, { queue, ingest, progress })
  return { share, context, scanned, queue, ingest, progress, reader, marked }
}

const never = () => false
const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`file ${i}`, `text ${i}`]))

for (const [name, files] of [
  ['a few files, one by one', { a: 'a', b: 'b' }],
  ['many small files, in batches', many]
] as const) {
  test(`reads ${name}`, async (t) => {
    const { share, queue, ingest, reader, progress } = await openReader(t, files)
    await reader.readUntil(never)
    t.ok(queue.isEmpty)
    const { records } = await ingest.flush()
    const hashes = [...records].map(([path, { entry }]) => [path, entry.type === 'file' && entry.hash])
    t.alike(
      new Map(hashes as [string, string][]),
      new Map(Object.entries(files).map(([path, text]) => [path, hashOf(text)]))
    )
    progress.report()
    const { files: done, filesTotal, bytes, bytesTotal } = share.eventsOf('progress').at(-1) ?? {}
    t.alike([done, bytes], [filesTotal, bytesTotal])
  })
}

test('stops when it is full, and goes on from there', async (t) => {
  const { queue, ingest, reader } = await openReader(t, { a: 'a', b: 'b', c: 'c', d: 'd', e: 'e', f: 'f' })
  await reader.readUntil(() => ingest.pending > 0)
  t.absent(queue.isEmpty)
  await reader.readUntil(never)
  t.ok(queue.isEmpty)
  t.is((await ingest.flush()).records.size, 6)
})

test('a file that vanished is marked dirty again, and its problem told from the fifth time on', async (t) => {
  const { share, queue, ingest, reader, marked } = await openReader(t, { a: 'a', gone: 'gone' })
  rmSync(share.at('gone'))
  await reader.readUntil(never)
  t.alike([...(await ingest.flush()).records.keys()], ['a'])
  await until(() => marked.length === 1, { what: 'the retry' })
  t.alike(marked, [['gone', 'shallow']])
  for (let times = 2; times <= 5; times++) {
    t.alike(share.eventsOf('problem'), [])
    queue.later(pathOf('gone'))
    await reader.readUntil(never)
  }
  t.alike(
    share.eventsOf('problem').map(({ path, action }) => [path, action]),
    [['gone', 'read']]
  )
})

test('a file that the disk refuses is a problem, until it is read', async (t) => {
  const { share, context, ingest, scanned } = await openReader(t, { a: 'a', bad: 'bad' })
  let isBroken = true
  const disk = {
    add: async (...args: Parameters<typeof ingest.add>) => {
      if (isBroken && args[0] === 'bad') throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
      await ingest.add(...args)
    },
    addSmall: ingest.addSmall.bind(ingest)
  }
  const queue = new DirtyFileQueue(scanned.diff, scanned.scan)
  const target = { queue, ingest: disk, progress: new ReadProgress(queue, share.monitor) }
  const reader = new DirtyFileReader(context, new LiveBaseline(), target)
  await reader.readUntil(never)
  t.alike(
    share.monitor.problems.map(({ path }) => path),
    ['bad']
  )
  t.absent(context.tracker.isDirty(pathOf('bad')), 'it is not torn')
  isBroken = false
  queue.later(pathOf('bad'))
  await reader.readUntil(never)
  t.alike(share.monitor.problems, [])
  t.is((await ingest.flush()).records.size, 2)
})

test('an error of our own ends the pass', async (t) => {
  const { share, context, ingest, scanned } = await openReader(t, { a: 'a' })
  const broken = { add: () => Promise.reject(new Error('a bug')), addSmall: ingest.addSmall.bind(ingest) }
  const queue = new DirtyFileQueue(scanned.diff, scanned.scan)
  const target = { queue, ingest: broken, progress: new ReadProgress(queue, share.monitor) }
  await t.exception(() => new DirtyFileReader(context, new LiveBaseline(), target).readUntil(never), /a bug/)
})
