import { test } from 'brittle'
import { fetchDamaged } from '../../../src/log/check/damaged-blocks.ts'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { isOffered } from '../../../src/log/hypercore/peers.ts'
import { keepNodes } from '../../../src/log/hypercore/tree-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const blocks = Array.from({ length: 30 }, (_, i) => bytesOf(50, i + 1))

test("damaged blocks are replaced by a peer's, and given up only if a peer has them", async (t) => {
  const [near, far] = [await openStore(t), await openStore(t)]
  const writer = await near.named('content')
  await writer.append(blocks)
  const reader = await far.keyed(writer.key)
  const unlink = await link(t, near, far)
  await reader.download({ start: 0, end: 30 }).done()
  unlink()
  await until(() => reader.peers.length === 0, { what: 'the end of the connection' })
  keepNodes(writer)
  await writer.clear(5)

  const stop = new AbortController()
  setTimeout(() => stop.abort(), 200)
  t.alike(await fetchDamaged(reader, [4], stop.signal), ['No peer was found'])
  t.ok(await reader.has(4))

  await link(t, near, far)
  await until(() => reader.peers.length === 1, { what: 'the peer' })
  const end = new AbortController()
  const offered = until(() => isOffered(reader, 4) && isOffered(reader, 29), { what: 'the offers' })
  offered.then(() => end.abort())
  t.alike(await fetchDamaged(reader, [4, 5, 29], end.signal), [undefined, 'No connected peer has it', undefined])
  for (const block of [4, 5, 29]) t.alike(await reader.get(block, { wait: false }), blocks[block], `block ${block}`)
})

test('a block is given up before its replacement comes', async (t) => {
  const [near, far] = [await openStore(t), await openStore(t)]
  const writer = await near.named('content')
  await writer.append(blocks)
  const reader = await far.keyed(writer.key)
  await link(t, near, far)
  await reader.download({ start: 0, end: 30 }).done()
  const { storage } = internalsOf(reader).core.state
  const { write } = storage
  let deletedNodes = 0
  storage.write = () => {
    const tx = write.call(storage)
    tx.deleteTreeNode = () => {
      deletedNodes++
    }
    return tx
  }
  const uploads: number[] = []
  writer.on('upload', (index: number) => uploads.push(index))
  t.alike(await fetchDamaged(reader, [11, 12], new AbortController().signal), [undefined, undefined])
  t.alike(uploads.sort(), [11, 12], 'the bytes come from the peer')
  t.alike(await reader.get(10, { wait: false }), blocks[10])
  t.is(deletedNodes, 0, 'nodes that prove the block, and others, stay')
})
