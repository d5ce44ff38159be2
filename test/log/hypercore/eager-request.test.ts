import { test } from 'brittle'
import type { DataMessage } from 'hypercore'
import { requestEagerly } from '../../../src/log/hypercore/eager-request.ts'
import { onPeer } from '../../../src/log/hypercore/internals.ts'
import { keepNodes } from '../../../src/log/hypercore/tree-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { hangMs } from '../../support/hang.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

test('the first block that is asked for comes with the proof of the length, if asked for eagerly', async (t) => {
  const near = await openStore(t)
  const writer = await near.named('content')
  await writer.append(Array.from({ length: 50 }, (_, i) => bytesOf(30, i + 1)))
  for (const isEager of [true, false]) {
    const far = await openStore(t)
    const reader = await far.keyed(writer.key)
    if (isEager) requestEagerly(reader)
    const messages: DataMessage[] = []
    onPeer(reader, (peer) => {
      const { ondata } = peer
      peer.ondata = (message) => {
        messages.push(message)
        return ondata.call(peer, message)
      }
    })
    const request = { timeout: hangMs, activeRequests: [] }
    const reading = reader.get(20, request)
    // Made before the peer is there: get() looks on the disk first.
    await until(() => request.activeRequests.length > 0, { what: 'the request' })
    const unlink = await link(t, near, far)
    t.alike(await reading, bytesOf(30, 21))
    const first = messages.find(({ block }) => block?.index === 20)
    t.is(first !== undefined && first.upgrade !== null, isEager)
    unlink()
  }
})

test('a block that the only peer lacks is not asked for again and again', async (t) => {
  const near = await openStore(t)
  const writer = await near.named('content')
  await writer.append([bytesOf(30, 1), bytesOf(30, 2)])
  keepNodes(writer)
  await writer.clear(1)
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  requestEagerly(reader)
  const missing = reader.get(1, { timeout: 600_000 }).catch(() => undefined)
  await link(t, near, far)
  t.alike(await reader.get(0), bytesOf(30, 1), 'all else goes on')
  t.is(reader.length, 2)
  await reader.close()
  await missing
})
