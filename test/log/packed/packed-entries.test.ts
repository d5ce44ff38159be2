import { type Assert, test } from 'brittle'
import { encodeRows, type SnapshotRow } from '../../../src/format/snapshot-codec.ts'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { parseKey } from '../../../src/log/hypercore/store.ts'
import { packedEntries } from '../../../src/log/packed/packed-entries.ts'
import { directoryOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { codeOf } from '../../support/failure.ts'
import { collect, commit, openWriter } from '../../support/log.ts'

/** A log with a snapshot of `a` and `b`, and two changes since; of its tree only the blocks since are here. */
async function openPacked(t: Assert) {
  const { store, writer } = await openWriter(t)
  const rows: SnapshotRow[] = [
    [pathOf('a'), directoryOf()],
    [pathOf('b'), directoryOf()]
  ]
  const first = await commit(writer, Object.fromEntries(rows))
  const blocks: Buffer[] = []
  for await (const block of encodeRows(rows)) blocks.push(block)
  await writer.publishSnapshot(blocks, rows.length, 0)
  const version = await commit(writer, { a: undefined, c: symlinkOf('b') })
  const entries = await store.keyed(parseKey(writer.key))
  const core = await store.named('content')
  const bee = beeOf(entries.session({ wait: false }))
  await bee.ready()
  return { parts: { entries, bee, content: async () => ({ core }) }, entries, core, first, version }
}

test('the snapshot and the changes since yield the entries without the tree', async (t) => {
  const { parts, entries, first, version } = await openPacked(t)
  t.is(await packedEntries(parts, version), undefined, 'not while the tree is here')
  await entries.clear(1, first.length)
  const rows = await packedEntries(parts, version)
  t.alike(rows && (await collect(rows)), [
    ['b', directoryOf()],
    ['c', symlinkOf('b')]
  ])
  t.is(await packedEntries(parts, first), undefined, 'a version before the snapshot has none')
})

test('without the snapshot or the changes since there are no packed entries', async (t) => {
  const { parts, entries, core, first, version } = await openPacked(t)
  await entries.clear(1, first.length)
  const rows = await packedEntries(parts, version)
  await core.clear(0, core.length)
  t.is(await packedEntries(parts, version), undefined)
  t.is(await codeOf(async () => rows && collect(rows)), 'NOT_HELD', 'it was cleared in between')
  await entries.clear(version.length - 2)
  t.is(await packedEntries(parts, version), undefined)
})
