import { test } from 'brittle'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import {
  askWhoHas,
  claimsOf,
  hasOpenPeer,
  isOffered,
  setRequestsInFlight,
  syncedClaimsOf
} from '../../../src/log/hypercore/peers.ts'
import { keepNodes } from '../../../src/log/hypercore/tree-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

test('what peers announce is known: length, fork and blocks', async (t) => {
  const [near, far] = [await openStore(t), await openStore(t)]
  const writer = await near.named('content')
  await writer.append(Array.from({ length: 5 }, (_, i) => bytesOf(30, i + 1)))
  keepNodes(writer)
  await writer.clear(3)
  const reader = await far.keyed(writer.key)
  t.alike([hasOpenPeer(reader), claimsOf(reader), isOffered(reader, 0)], [false, [], false])
  setRequestsInFlight(reader, 3, 7)
  await link(t, near, far)
  await until(() => syncedClaimsOf(reader).length === 1, { what: 'the peer' })
  t.is(internalsOf(reader).peers[0]?.getMaxInflight(), 7)
  t.ok(hasOpenPeer(reader))
  t.alike(
    claimsOf(reader).map(({ remoteFork, remoteLength }) => [remoteFork, remoteLength]),
    [[0, 5]]
  )
  t.ok(await reader.get(0))
  // The writer's first three blocks are one number; of those behind the gap it tells when asked.
  askWhoHas(reader, [4])
  await until(() => isOffered(reader, 4), { what: 'word of block 4' })
  t.alike([isOffered(reader, 0), isOffered(reader, 3)], [true, false])
})
