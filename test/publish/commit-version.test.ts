import { rmSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import type { CommitStage } from '../../src/publish/commit-plan.ts'
import { VersionCommitter } from '../../src/publish/commit-version.ts'
import { Ingest } from '../../src/publish/ingest.ts'
import { VersionDraft } from '../../src/publish/version-draft.ts'
import type { Scan, ScanDiff } from '../../src/tree/diff.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { headOf } from '../support/log.ts'
import { Share } from '../support/share.ts'

const scan: Scan = {
  seen: new Map(),
  saw: () => false,
  covers: () => true,
  frozen: () => false,
  unreadable: new Set()
}
const only: CommitStage = { startup: false, last: true, everything: true }

async function open(t: Assert) {
  const share = await Share.open(t)
  const baseline = new LiveBaseline(share.blocks)
  const committer = await VersionCommitter.open(share.context(), baseline)
  const draft = (...directories: readonly string[]) => {
    const puts: ScanDiff['puts'] = directories.map((path) => [pathOf(path), directoryOf(), 's'])
    const ingest = new Ingest(share.root, share.writer, share.state, share.context())
    return new VersionDraft(ingest, { suspects: [], puts, moves: [], removals: [] }, scan)
  }
  return { share, baseline, committer, draft }
}

test('a commit reaches the log, the baseline, the state and the listeners', async (t) => {
  const { share, baseline, committer, draft } = await open(t)
  await committer.commit(draft('a', 'b'), only)
  t.alike([...(await share.entries()).keys()], ['a', 'b'])
  t.is(baseline.totals.directories, 2)
  t.alike([...(await share.state.baseline()).keys()], ['a', 'b'])
  t.alike(await share.state.note('applied'), share.version)
  const { version, puts, removals, partial } = share.eventsOf('published')[0] ?? {}
  t.alike([version, puts, removals, partial], [share.version.length, 2, 0, false])
})

test('a commit of nothing makes the first version, and no other', async (t) => {
  const { share, committer, draft } = await open(t)
  await committer.commit(draft(), only)
  const { length } = share.version
  await committer.commit(draft(), only)
  t.is(share.version.length, length)
})

test('a first pass makes partial versions, and a last one that is none', async (t) => {
  const { share, committer, draft } = await open(t)
  const stage = { ...only, startup: true }
  await committer.commit(draft('a'), { ...stage, last: false })
  t.is((await share.writer.head())?.partial, true)
  await committer.commit(draft(), stage)
  t.is((await share.writer.head())?.partial, false)
  t.alike(
    share.eventsOf('published').map(({ partial }) => partial),
    [true, false]
  )
})

test('the batches of a later pass make one version, that counts them all', async (t) => {
  const { share, committer, draft } = await open(t)
  const pass = draft('a')
  await committer.commit(pass, { ...only, last: false })
  t.is((await share.writer.head())?.unfinished, true)
  t.alike(share.eventsOf('published'), [])
  await committer.commit(pass, only)
  t.is((await share.writer.head())?.unfinished, false)
  t.alike(
    share.eventsOf('published').map(({ puts }) => puts),
    [1]
  )
})

test('a version that an earlier run left partial is finished', async (t) => {
  const { share, baseline, draft } = await open(t)
  await share.writer.commit(new Map([[pathOf('a'), directoryOf()]]), headOf({ partial: true }))
  baseline.put(pathOf('a'), { entry: directoryOf(), signature: 's' })
  const next = await VersionCommitter.open(share.context(), baseline)
  await next.commit(draft(), only)
  t.is((await share.writer.head())?.partial, false)
})

test('a disk that is gone has deleted nothing', async (t) => {
  const { share, committer, draft } = await open(t)
  rmSync(share.at('.p2psync/folder.json'))
  t.is(await codeOf(() => committer.commit(draft('a'), only)), 'HALTED')
  t.is(share.writer.version, undefined)
})
