import { type Assert, test } from 'brittle'
import type Hypercore from 'hypercore'
import { internalsOf, onPeer } from '../../../src/log/hypercore/internals.ts'
import { StallWatch } from '../../../src/log/hypercore/stall-watch.ts'
import type { LogStore } from '../../../src/log/hypercore/store.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

/** Takes requests of its peers, and answers none. */
function fallSilent(core: Hypercore): void {
  onPeer(core, (peer) => {
    peer._fulfillRequest = () => new Promise(() => {})
  })
}

async function openSources(t: Assert) {
  const near = await openStore(t)
  const silent = await near.named('content')
  await silent.append(Array.from({ length: 20 }, (_, i) => bytesOf(30, i + 1)))
  const second = await openStore(t)
  const honest = await second.keyed(silent.key)
  const unlink = await link(t, near, second)
  await honest.download({ start: 0, end: 20 }).done()
  unlink()
  await until(() => silent.peers.length === 0, { what: 'the end of the copy' })
  fallSilent(silent)
  const own = await openStore(t)
  const reader = await own.keyed(silent.key)
  const watch = new StallWatch()
  watch.add(reader)
  t.teardown(() => watch.close())
  return { near, second, own, silent, reader }
}

const keyOf = async (store: LogStore) => (await store.identity()).publicKey.toString('hex')

test('a peer that answers nothing is disconnected once there is another', async (t) => {
  const { near, second, own, silent, reader } = await openSources(t)
  t.ok(await keyOf(own))
  await link(t, near, own)
  await until(() => silent.peers.length === 1, { what: 'the silent peer' })
  const [peer] = internalsOf(reader).peers
  const reading = reader.get(7, { timeout: 600_000 })
  await until(() => (peer?.inflight ?? 0) > 0, { what: 'a request' })
  t.is(peer?.removed, false, 'alone it stays')
  await link(t, second, own)
  await until(() => peer?.removed, { what: 'the end of the silent peer' })
  t.alike(await reading, bytesOf(30, 8), 'the other peer is asked')
  t.is(reader.peers.length, 1)
})

test('a peer is paused no longer than until the next look', async (t) => {
  const { second, own, reader } = await openSources(t)
  await link(t, second, own)
  await reader.get(0)
  const [peer] = internalsOf(reader).peers
  if (peer === undefined) throw new Error('No peer')
  peer.stats.notAvailableBackoffs = 32
  peer.paused = true
  t.alike(await reader.get(3), bytesOf(30, 4))
  t.is(peer.stats.notAvailableBackoffs, 0)
})
