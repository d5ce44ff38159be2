import { test } from 'brittle'
import type { PeerInternals } from 'hypercore'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { RequestScheduler } from '../../../src/log/hypercore/request-scheduler.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

/** A core and a reader of it, connected. */
async function openPair(t: Parameters<typeof openStore>[0], narrow: boolean) {
  const [near, far] = [await openStore(t), await openStore(t)]
  const source = await near.named('content')
  const copy = await far.keyed(source.key)
  const scheduler = new RequestScheduler()
  t.teardown(() => scheduler.close())
  // What is taken hold of is private: it has to be there, or nothing of this would work.
  t.is(typeof internalsOf(copy).replicator.hotswaps.pick, 'function')
  t.is(typeof internalsOf(copy).replicator.updatePeer, 'function')
  const before = new Promise<PeerInternals>((resolve) => copy.once('peer-add', resolve))
  scheduler.add(copy, { narrow })
  await link(t, near, far)
  return { source, copy, peer: await before }
}

test('a peer is asked for little at first, and for more as it answers', async (t) => {
  const { source, copy, peer } = await openPair(t, true)
  t.is(peer.getMaxInflight(), 2)
  t.is(peer.getMaxHotswapInflight(), 2)
  await source.append(Array.from({ length: 100 }, (_, i) => Buffer.alloc(1000, i)))
  copy.download({ start: 0, end: 100 })
  await until(() => copy.contiguousLength === 100, { what: 'all blocks' })
  const window = peer.getMaxInflight()
  t.ok(window > 2 && window <= 64, `${window} at once`)
})

test('Hypercore decides how many small blocks to request', async (t) => {
  const { peer } = await openPair(t, false)
  t.ok(peer.getMaxInflight() >= 16, `${peer.getMaxInflight()} at once`)
})
