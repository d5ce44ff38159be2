import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { State } from '../../src/disk/state/state.ts'
import { Checkpoint } from '../../src/mirror/checkpoint.ts'
import { everything, partOf } from '../../src/tree/select.ts'
import type { Version } from '../../src/tree/tree.ts'

const at = (length: number, fork = 1): Version => ({ fork, length })
const docs = partOf({ only: ['docs/'], exclude: [] })
const beginning = { fork: 0, length: 0 }

async function openState(t: Assert): Promise<State> {
  const state = await State.open(join(await t.tmp(), 'state'))
  t.teardown(() => state.close())
  return state
}

test('a new checkpoint knows nothing; what is noted is read again', async (t) => {
  const state = await openState(t)
  const first = await Checkpoint.of(state)
  t.absent(first.hasBegun)
  t.is(first.applied, undefined)
  t.is(first.unrecordedSince, undefined)
  await first.beginVersion(at(5))
  await first.beginWriting()
  t.ok(first.hasBegun)
  t.alike(first.unrecordedSince, beginning)
  t.ok(await first.apply(at(5), { complete: true }))
  t.absent(await first.apply(at(5), { complete: true }), 'the same version')

  const again = await Checkpoint.of(state)
  t.alike([again.applied, again.complete, again.unrecordedSince], [at(5), at(5), at(5)])
  t.ok(again.hasBegun)
})

test('the notes of a folder with one log are those of every version so far', async (t) => {
  const state = await openState(t)
  const checkpoint = await Checkpoint.of(state)
  await checkpoint.beginVersion(at(7))
  await checkpoint.selectPart(docs)
  await checkpoint.apply(at(7), { complete: true })
  t.alike(await state.note('applied'), at(7))
  t.alike(await state.note('since'), at(7))
  t.alike(await state.note('seen'), at(7))
  t.alike(await state.note('parts'), [docs.selection])
})

test('a version with pending paths is applied, but is no start for the next run', async (t) => {
  const state = await openState(t)
  const checkpoint = await Checkpoint.of(state)
  await checkpoint.apply(at(3), { complete: true })
  await state.commit(checkpoint.invalidate())
  t.is(checkpoint.complete, undefined)
  await checkpoint.apply(at(6), { complete: false })
  t.alike(checkpoint.applied, at(6))
  const again = await Checkpoint.of(state)
  t.is(again.applied, undefined)
  t.alike(again.unrecordedSince, at(3))
})

test('each log has a checkpoint of its own', async (t) => {
  const state = await openState(t)
  const own = await Checkpoint.of(state)
  const other = await Checkpoint.of(state, 'k1')
  await own.apply(at(3), { complete: true })
  await other.beginVersion(at(8))
  await other.apply(at(8), { complete: true })
  await state.commit(own.invalidate())
  t.is((await Checkpoint.of(state)).applied, undefined)
  t.alike((await Checkpoint.of(state, 'k1')).applied, at(8))
  t.is((await Checkpoint.of(state, 'k2')).applied, undefined)
  t.absent((await Checkpoint.of(state)).rollback(at(7)), 'only the other log was further')
  t.is((await Checkpoint.of(state, 'k1')).rollback(at(7))?.code, 'ROLLED_BACK')
})

test('a log never goes back, within a fork or to an earlier one', async (t) => {
  const state = await openState(t)
  const checkpoint = await Checkpoint.of(state)
  t.absent(checkpoint.rollback(at(1)))
  await checkpoint.beginVersion(at(5, 2))
  for (const [version, isBack] of [
    [at(4, 2), true],
    [at(9, 1), true],
    [at(5, 2), false],
    [at(6, 2), false],
    [at(1, 3), false]
  ] as const) {
    t.is(checkpoint.rollback(version) !== undefined, isBack, `${version.fork}:${version.length}`)
  }
  t.is((await Checkpoint.of(state)).rollback(at(4, 2))?.code, 'ROLLED_BACK', 'after a restart too')

  const old = await openState(t)
  await old.commit((batch) => batch.note('applied', at(5)))
  t.is((await Checkpoint.of(old)).rollback(at(4))?.code, 'ROLLED_BACK', 'a folder of before `seen` was noted')
})

test('another part, or an earlier version, begins anew', async (t) => {
  const state = await openState(t)
  const checkpoint = await Checkpoint.of(state)
  await checkpoint.selectPart(docs)
  t.alike(
    checkpoint.parts.map(({ selection }) => selection),
    [docs.selection],
    'nothing was written by another'
  )
  await checkpoint.apply(at(5), { complete: true })
  await checkpoint.selectPart(docs)
  t.alike(checkpoint.complete, at(5), 'the same part')
  await checkpoint.selectPart(partOf(everything))
  t.is(checkpoint.complete, undefined)
  t.alike(
    checkpoint.parts.map(({ selection }) => selection),
    [docs.selection, everything]
  )
  const again = await Checkpoint.of(state)
  t.is(again.applied, undefined)
  t.alike(again.unrecordedSince, beginning)
  t.alike(
    again.parts.map(({ selection }) => selection),
    [docs.selection, everything]
  )

  await again.apply(at(5), { complete: true })
  t.alike(
    again.parts.map(({ selection }) => selection),
    [everything],
    'a complete version leaves one'
  )
  await again.beginVersion(at(4))
  t.is(again.complete, undefined)
  t.is((await Checkpoint.of(state)).applied, undefined)
})

test('a new fork of the same history is carried over', async (t) => {
  const state = await openState(t)
  const checkpoint = await Checkpoint.of(state)
  await checkpoint.apply(at(5), { complete: true })
  await checkpoint.carry(({ length }) => at(length, 2))
  t.alike([checkpoint.applied, checkpoint.complete, checkpoint.unrecordedSince], [at(5, 2), at(5, 2), at(5, 2)])
  t.alike((await Checkpoint.of(state)).applied, at(5, 2))
})

test('the latest version that may have been written is one that was seen and is still known', async (t) => {
  const checkpoint = await Checkpoint.of(await openState(t))
  t.alike(checkpoint.latestWritten(at(5), at(9)), at(5), 'none was seen')
  await checkpoint.beginVersion(at(7))
  t.alike(checkpoint.latestWritten(at(5), at(9)), at(7))
  t.alike(checkpoint.latestWritten(at(5), at(6)), at(6), 'the log was fetched anew, and lacks some')
  t.alike(checkpoint.latestWritten(at(5, 2), at(9, 2)), at(5, 2), 'another fork')
  t.alike(checkpoint.latestWritten(at(8), at(9)), at(8), 'later than any')
})
