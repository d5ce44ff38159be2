import { test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { type ActivityMeter, packSnapshot, SnapshotPublisher } from '../../src/publish/entries-snapshot.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { directoryOf, pathOf, symlinkOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { commit } from '../support/log.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()
const quiet: ActivityMeter = { hasNews: false, isQuiet: async () => true }

/** A share whose log has a version for each of `count` directories, and a baseline of them. */
async function grown(t: Parameters<typeof Share.open>[0], count: number) {
  const share = await Share.open(t)
  const baseline = new LiveBaseline()
  for (let i = 0; i < count; i++) {
    const entry = directoryOf({ mtimeMs: i })
    await commit(share.writer, { [`d${i}`]: entry })
    baseline.put(pathOf(`d${i}`), { entry, signature: 's' })
  }
  return { share, baseline, publisher: new SnapshotPublisher(share.writer, share.state) }
}

test('a snapshot is published when it is due and the folder is quiet, once', async (t) => {
  const { share, baseline, publisher } = await grown(t, 300)
  t.ok(await publisher.publishWhenQuiet(baseline, quiet, signal))
  t.is((await share.writer.head())?.snapshot, undefined, 'too few entries')
  for (let i = 300; i < 510; i++) {
    const entry: Entry = directoryOf({ mtimeMs: i })
    await commit(share.writer, { [`d${i}`]: entry })
    baseline.put(pathOf(`d${i}`), { entry, signature: 's' })
  }
  const { length } = share.version
  t.absent(await publisher.publishWhenQuiet(baseline, { ...quiet, isQuiet: async () => false }, signal))
  t.is(share.version.length, length, 'not while something happens')
  t.ok(await publisher.publishWhenQuiet(baseline, { ...quiet, hasNews: true }, signal))
  t.is(share.version.length, length, 'not when changes came while it was packed')
  t.ok(await publisher.publishWhenQuiet(baseline, quiet, signal))
  t.alike((await share.writer.head())?.snapshot?.entries, 510)
  t.alike(await share.state.note('applied'), share.version)
  const after = share.version.length
  await publisher.publishIfDue(baseline, signal)
  t.is(share.version.length, after, 'it is not due any more')
})

test('at the start a due snapshot is published at once', async (t) => {
  const { share, baseline, publisher } = await grown(t, 505)
  const stopped = new AbortController()
  stopped.abort()
  await publisher.publishIfDue(baseline, stopped.signal)
  t.is((await share.writer.head())?.snapshot, undefined, 'the publisher is closed')
  await publisher.publishIfDue(baseline, signal)
  t.is((await share.writer.head())?.snapshot?.entries, 505)
})

test('packing ends as soon as it is not wanted', async (t) => {
  const { records } = await LiveBaseline.of([[pathOf('a'), { entry: directoryOf(), signature: '' }]] as const)
  t.is((await packSnapshot(records, () => true))?.length, 1)
  t.is(await packSnapshot(records, () => false), undefined)
})

test('an entry that no snapshot can hold is refused', async (t) => {
  const entry = symlinkOf('x'.repeat(2 ** 21))
  const { records } = await LiveBaseline.of([[pathOf('a'), { entry, signature: '' }]] as const)
  t.ok((await failureOf(() => packSnapshot(records, () => true))) instanceof RangeError)
})
