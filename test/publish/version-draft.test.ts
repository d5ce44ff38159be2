import { test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { Ingest } from '../../src/publish/ingest.ts'
import { draftStateChanges, VersionDraft } from '../../src/publish/version-draft.ts'
import type { ScanDiff, Seen } from '../../src/tree/diff.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()
const add = { before: undefined, onBytes: () => {}, signal }
const none: ScanDiff = { suspects: [], puts: [], moves: [], removals: [] }

function scanOf(seen: Readonly<Record<string, Seen>>) {
  const byPath = new Map<TreePath, Seen>(Object.entries(seen).map(([path, what]) => [pathOf(path), what]))
  return {
    seen: byPath,
    saw: (path: TreePath) => byPath.has(path),
    covers: () => true,
    frozen: () => false,
    unreadable: new Set<TreePath>()
  }
}

test('directories come with the first commit, removals with the last', async (t) => {
  const share = await Share.open(t, { 'dir/file': 'text' })
  const baseline = await LiveBaseline.of([[pathOf('gone'), { entry: fileOf(''), signature: 's' }]] as const)
  const diff: ScanDiff = {
    ...none,
    puts: [[pathOf('dir'), directoryOf(), 's']],
    moves: [[pathOf('moved'), fileOf('moved'), 's']],
    removals: [pathOf('gone')]
  }
  const ingest = new Ingest(share.root, share.writer, share.state, share.context())
  const draft = new VersionDraft(ingest, diff, scanOf({}))
  const first = await draft.take(baseline, false)
  t.alike([...first.changes.keys()], ['dir', 'moved'])
  await ingest.add(pathOf('dir/file'), 4, add)
  const last = await draft.take(baseline, true)
  t.alike(
    [...last.changes.entries()].map(([path, entry]) => [path, entry?.type]),
    [
      ['dir/file', 'file'],
      ['gone', undefined]
    ]
  )
  t.is(last.chunks.size, 1)
})

test('what makes way for something else is removed with the first commit', async (t) => {
  const share = await Share.open(t)
  const ingest = new Ingest(share.root, share.writer, share.state, share.context())
  const baseline = await LiveBaseline.of([
    [pathOf('was-dir/file'), { entry: fileOf(''), signature: 's' }],
    [pathOf('other'), { entry: fileOf(''), signature: 's' }]
  ] as const)
  const diff = {
    ...none,
    removals: [pathOf('was-dir/file'), pathOf('other')],
    puts: [[pathOf('was-dir'), symlinkOf('x'), '']]
  } as const
  const draft = new VersionDraft(ingest, diff, scanOf({ 'was-dir': symlinkOf('x') }))
  t.alike([...(await draft.take(baseline, false)).changes.keys()], ['was-dir/file', 'was-dir'])
  t.alike([...(await draft.take(baseline, true)).changes.keys()], ['other'])
})

test('an entry that is as recorded is no change, though its record is new', async (t) => {
  const share = await Share.open(t)
  const ingest = new Ingest(share.root, share.writer, share.state, share.context())
  const baseline = await LiveBaseline.of([[pathOf('dir'), { entry: directoryOf(), signature: 'old' }]] as const)
  const draft = new VersionDraft(ingest, { ...none, puts: [[pathOf('dir'), directoryOf(), 'new']] }, scanOf({}))
  const { changes, records } = await draft.take(baseline, true)
  t.is(changes.size, 0)
  t.is(records.get(pathOf('dir'))?.signature, 'new')
})

test('stored bytes are counted from one version to the next', async (t) => {
  const share = await Share.open(t, { a: 'some text', b: 'other text' })
  const ingest = new Ingest(share.root, share.writer, share.state, share.context())
  const draft = new VersionDraft(ingest, none, scanOf({}))
  await ingest.add(pathOf('a'), 9, add)
  await ingest.flush()
  t.ok(draft.stored > 0)
  t.is(draft.takeStored(), ingest.stored)
  t.is(draft.stored, 0)
  await ingest.add(pathOf('b'), 10, add)
  await ingest.flush()
  const { stored } = draft
  t.ok(stored > 0 && stored < ingest.stored)
  t.is(draft.takeStored(), stored)
})

test('the state records puts, removals and chunks, and what they belong to last', async (t) => {
  const { state } = await Share.open(t)
  const record = { entry: directoryOf(), signature: 's' }
  const extent = { core: 0, block: 1, blocks: 1, offset: 0, length: 5, packed: false }
  await state.commit((batch) => batch.put(pathOf('gone'), record))
  const records = new Map([
    [pathOf('dir'), record],
    [pathOf('gone'), undefined]
  ])
  const steps = [
    ...draftStateChanges(records, new Map([['ab', extent]]), (batch) => batch.note('applied', { fork: 1, length: 7 }))
  ]
  await state.commitAll(steps.slice(0, -1))
  t.alike([...(await state.baseline()).keys()], ['dir'])
  t.alike(await state.chunk('ab'), extent)
  t.is(await state.note('applied'), undefined)
  await state.commitAll(steps.slice(-1))
  t.alike(await state.note('applied'), { fork: 1, length: 7 })
})
