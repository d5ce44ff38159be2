import { type Assert, test } from 'brittle'
import type { PeerInternals } from 'hypercore'
import { onPeer } from '../../../src/log/hypercore/internals.ts'
import { StallWatch } from '../../../src/log/hypercore/stall-watch.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const far = 2 ** 50

/** The store guards every core that it opens: the peer is the one that the writer sees. */
async function openPair(t: Assert) {
  const [near, other] = [await openStore(t), await openStore(t)]
  const writer = await near.named('content')
  await writer.append(Array.from({ length: 3 }, (_, i) => bytesOf(30, i + 1)))
  const reader = await other.keyed(writer.key)
  const connected = new Promise<PeerInternals>((resolve) => onPeer(writer, resolve))
  const connectedReader = new Promise<PeerInternals>((resolve) => onPeer(reader, resolve))
  await link(t, near, other)
  return { writer, reader, peer: await connected, writerSeen: await connectedReader }
}

test('a range or a bitfield far beyond the end is ignored, and the peer stays', async (t) => {
  const { peer, reader } = await openPair(t)
  peer.onrange({ drop: false, start: 5, length: far })
  peer.onbitfield({ start: far, bitfield: new Uint32Array([0xffffffff]) })
  t.is(peer._remoteHasBlock(far), false)
  t.is(peer._remoteHasBlock(6), false)
  peer.onrange({ drop: false, start: 2 ** 20, length: 2 })
  t.is(peer._remoteHasBlock(2 ** 20 + 1), true, 'a little beyond the end is believed')
  t.alike(await reader.get(0), bytesOf(30, 1))
})

test('a peer with too many requests is let go', async (t) => {
  const { peer } = await openPair(t)
  const requests = peer.remoteRequests as Map<number, unknown>
  for (let i = 0; i < 8192; i++) requests.set(far + i, {})
  peer.onrequest({ id: 1 })
  await until(() => peer.removed, { what: 'the end of the connection' })
  t.pass()
})

test('a peer that changes its fork without end is let go', async (t) => {
  const { peer } = await openPair(t)
  const sync = { length: 0, remoteLength: 0, canUpgrade: true, uploading: true, downloading: true, hasManifest: true }
  for (let fork = 1; fork <= 100; fork++) peer.onsync({ fork, ...sync })
  t.is(peer.removed, false)
  peer.onsync({ fork: 101, ...sync })
  await until(() => peer.removed, { what: 'the end of the connection' })
  t.pass()
})

test('a block whose proof is missing here counts as missing, and the connection stays', async (t) => {
  const { writer, reader, writerSeen } = await openPair(t)
  // Hypercore asks again and again, and pauses a peer after 32 refusals; this resumes it.
  const watch = new StallWatch()
  t.teardown(() => watch.close())
  watch.add(reader)
  t.alike(await reader.get(2), bytesOf(30, 3))
  // Hypercore deletes nodes that prove block 0 with it.
  await writer.clear(1)
  const refused = new Promise<void>((resolve) => {
    const { onnodata } = writerSeen as PeerInternals & { onnodata(message: object): unknown }
    Object.assign(writerSeen, {
      onnodata: (message: object) => {
        resolve()
        return onnodata.call(writerSeen, message)
      }
    })
  })
  const missing = reader.get(0, { timeout: 600_000 }).catch(() => null)
  await refused
  t.is(writerSeen.removed, false)
  await writer.append(bytesOf(30, 4))
  t.alike(await reader.get(3), bytesOf(30, 4), 'blocks go on to come')
  await reader.close()
  await missing
})
