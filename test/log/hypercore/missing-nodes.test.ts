import { test } from 'brittle'
import flat from 'flat-tree'
import type { BlockStorage } from 'hypercore'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { missingNodes } from '../../../src/log/hypercore/missing-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

/** One node after the other, up to one that is here or covers the whole tree. */
async function countMissing(storage: BlockStorage, index: number, length: number): Promise<number> {
  const above = flat.iterator(index)
  for (let count = 0; ; count++, above.parent()) {
    if (above.contains(2 * length)) return count
    const rx = storage.read()
    const node = rx.getTreeNode(above.index)
    rx.tryFlush()
    if ((await node) !== null) return count
  }
}

test('the nodes that a reader lacks are counted as by reading each', async (t) => {
  const near = await openStore(t)
  const writer = await near.named('content')
  await writer.append(Array.from({ length: 203 }, (_, i) => bytesOf(30, i + 1)))
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  await link(t, near, far)
  for (const block of [3, 100, 202]) await reader.get(block)
  await until(() => reader.length === 203, { what: 'the length' })
  const { state } = internalsOf(reader).core
  const counts = new Set<number>()
  for (let block = 0; block < 203; block++) {
    const count = await missingNodes(state, 2 * block, 203)
    counts.add(count)
    if (count !== (await countMissing(state.storage, 2 * block, 203))) t.fail(`block ${block}: ${count}`)
  }
  t.ok(counts.has(0) && Math.max(...counts) > 4, 'more than one batch of reads')
  t.is(await missingNodes(state, 406, 203), 0, 'beyond the end there is nothing')
})
