import { test } from 'brittle'
import { BlockPlaces, noFiles } from '../../../src/log/hypercore/block-places.ts'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { missingNodes } from '../../../src/log/hypercore/missing-nodes.ts'
import { treeNodesOf } from '../../../src/log/hypercore/tree-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { hangMs } from '../../support/hang.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const blocksOf = (count: number, seed: number) => Array.from({ length: count }, (_, i) => bytesOf(50, seed + i))

test('proofs are requested up to a remembered node or a root', async (t) => {
  const writer = await (await openStore(t)).named('content')
  await writer.append(blocksOf(11, 1))
  const store = await openStore(t)
  const core = await store.named('content')
  new BlockPlaces(core, noFiles)
  const { state } = internalsOf(core).core
  t.is(await missingNodes(state, 0, 0), 0, 'of nothing, nothing')
  await core.append(blocksOf(8, 1))
  await core.append(blocksOf(3, 9))
  // Its own are all remembered.
  for (const block of [0, 3, 7, 8, 10]) t.is(await missingNodes(state, 2 * block, 11), 0)

  // As after a start: of these, the roots alone are known.
  await core.close()
  const again = await store.named('content')
  new BlockPlaces(again, noFiles)
  const missing = [0, 3, 7, 8, 9, 10].map((block) =>
    treeNodesOf(internalsOf(again).core.state.storage)?.missing(2 * block, 11)
  )
  t.alike(missing, [3, 3, 3, 1, 1, 0])
})

test('nodes remembered of one fork prove nothing in another', async (t) => {
  const near = await openStore(t)
  const writer = await near.named('content')
  new BlockPlaces(writer, noFiles)
  await writer.append(blocksOf(40, 1))
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  new BlockPlaces(reader, noFiles)
  const unlink = await link(t, near, far)
  await reader.download({ start: 0, end: 40 }).done()

  await writer.truncate(21, { fork: 1 })
  await writer.append(blocksOf(40, 1000))
  await until(() => reader.fork === 1 && reader.length === 61, { what: 'the fork' })
  const expected = [...blocksOf(21, 1), ...blocksOf(40, 1000)]
  for (const [i, block] of expected.entries()) t.alike(await reader.get(i, { timeout: hangMs }), block)
  unlink()
  await near.close()

  // Whoever gets them from there gets their proofs from there.
  const third = await openStore(t)
  const other = await third.keyed(reader.key)
  new BlockPlaces(other, noFiles)
  await link(t, far, third)
  for (const i of [60, 0, 33, 20, 21, 59]) t.alike(await other.get(i, { timeout: hangMs }), expected[i] ?? null)
})
