import { test } from 'brittle'
import { BlockHolders } from '../../src/baseline/block-holders.ts'
import { beginRun, noteWriter, reconcileState } from '../../src/publish/writer-state.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { commit } from '../support/log.ts'
import { Problems } from '../support/problems.ts'
import { Share } from '../support/share.ts'

const record = { entry: directoryOf(), signature: 's' }
const flush = async () => {}

test('a run starts forks that are flushed before the state names them', async (t) => {
  const { state, writer } = await Share.open(t)
  await commit(writer, { a: directoryOf() })
  await state.commit((batch) => noteWriter(batch, writer))
  const before = { entries: writer.version, content: writer.content }
  let flushedFork = 0
  await beginRun(state, writer, {
    isFirst: false,
    flush: async () => {
      flushedFork = writer.content.fork
      t.alike(await state.note('content'), before.content, 'the state still names the old fork')
    }
  })
  t.ok(writer.content.fork > before.content.fork)
  t.is(flushedFork, writer.content.fork)
  t.alike(await state.note('applied'), writer.version)
  t.alike(await state.note('content'), writer.content)
})

test('the first run of a new log needs no new fork', async (t) => {
  const { state, writer } = await Share.open(t)
  const { fork } = writer.content
  await beginRun(state, writer, { isFirst: true, flush })
  t.is(writer.content.fork, fork)
})

for (const [name, note] of [
  ['entries', { name: 'applied', version: { fork: 0, length: 1000 } }],
  ['content', { name: 'content', version: { fork: 0, length: 1000 } }]
] as const) {
  test(`a state that knows more ${name} than the log is cleared`, async (t) => {
    const { state, writer } = await Share.open(t)
    await commit(writer, { a: directoryOf() })
    await state.commit((batch) => {
      batch.put(pathOf('a'), record)
      batch.note(note.name, {
        ...note.version,
        fork: note.name === 'applied' ? (writer.version?.fork ?? 0) : writer.content.fork
      })
    })
    await beginRun(state, writer, { isFirst: false, flush })
    t.is((await state.baseline()).size, 0)
    t.is(await state.note(note.name), undefined)
  })
}

test('a state that is behind its log is brought into line with it', async (t) => {
  const { root, state, writer } = await Share.open(t)
  await commit(writer, { kept: directoryOf(), changed: directoryOf() })
  await state.commit((batch) => {
    for (const path of ['kept', 'changed', 'only-here']) batch.put(pathOf(path), record)
    noteWriter(batch, writer)
  })
  await commit(writer, { changed: directoryOf({ mode: 0o700 }), added: directoryOf() })
  const problems = new Problems()
  const baseline = await reconcileState(state, writer, new BlockHolders(root), problems.add)
  const signatures = [...baseline.records].map(([path, { signature }]) => [path, signature])
  t.alike(new Map(signatures as [string, string][]), new Map(Object.entries({ added: '', changed: '', kept: 's' })))
  t.alike([...(await state.baseline()).keys()].sort(), ['added', 'changed', 'kept'])
  t.alike(await state.note('applied'), writer.version)
  t.alike(problems.list, [])
})

test('a state that is of the log as it is stays', async (t) => {
  const { root, state, writer } = await Share.open(t)
  await commit(writer, { a: directoryOf() })
  await state.commit((batch) => {
    batch.put(pathOf('a'), record)
    noteWriter(batch, writer)
  })
  const baseline = await reconcileState(state, writer, new BlockHolders(root), () => {})
  t.is(baseline.records.get(pathOf('a'))?.signature, 's')
})

test('the chunks of a lost state are found again in the log', async (t) => {
  const share = await Share.open(t, { small: 'text' })
  await share.publish(t)
  const entry = (await share.entries()).get('small')
  if (entry?.type !== 'file') throw new Error('no file')
  t.alike(await share.state.chunk(entry.hash), entry.extents[0])
  await share.state.clear()
  t.is(await share.state.chunk(entry.hash), undefined)
  await reconcileState(share.state, share.writer, share.blocks, () => {})
  t.alike(await share.state.chunk(entry.hash), entry.extents[0])
})
