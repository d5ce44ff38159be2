import { once } from 'node:events'
import { type Assert, test } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'
import { BarePeer } from '../support/bare-peer.ts'
import { type End, openEnd, secret } from '../support/end.ts'
import { until } from '../support/until.ts'

test('a peer with an invalid introduction is disconnected, and honest peers still connect', async (t) => {
  const a = await openEnd(t)
  const forged = (peer: BarePeer) => {
    const bytes = peer.introduction()
    bytes[1] = (bytes[1] ?? 0) ^ 1
    return bytes
  }
  const all = [() => Buffer.alloc(0), () => Buffer.alloc(200, 255), () => Buffer.alloc(110, 1), forged]
  for (const introduction of all) {
    const peer = await BarePeer.open(t, a.address, { secret })
    peer.introduce.send(introduction(peer))
    await once(peer.stream, 'close')
  }
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
})

test('messages batched with a wrong proof are ignored', async (t) => {
  // With an allow list, handling the introduction would cause a `refused` event.
  const a = await openEnd(t, { allow: new Set() })
  const peer = await BarePeer.open(t, a.address, {
    secret: Buffer.alloc(32, 8),
    withProof: (each) => {
      each.introduce.send(each.introduction())
      each.carry.send(null)
      each.refuse.send(0)
    }
  })
  await once(peer.stream, 'close')
  await until(() => a.network.traffic.received > 0, { what: 'the traffic of the closed link' })
  t.alike(a.events, [])
  t.alike(a.carriers, [])
  t.alike(a.network.status.refusedBy, [])
})

/** Keys of an end that decides which path carries, and so can keep a connection idle for ever. */
function largerKeyPair({ keys }: End): KeyPair {
  for (;;) {
    const keyPair = newKeyPair()
    if (Buffer.compare(keyPair.publicKey, keys.publicKey) > 0) return keyPair
  }
}

async function openIdle(t: Assert, end: End, keyPair: KeyPair): Promise<BarePeer> {
  const peer = await BarePeer.open(t, end.address, { secret, keyPair })
  peer.introduce.send(peer.introduction())
  await until(() => peer.pings > 0 || peer.refusals.length > 0, { what: 'the admission' })
  return peer
}

test('peers that never replicate take places', async (t) => {
  const a = await openEnd(t)
  for (let i = 0; i < 64; i++) {
    const peer = await openIdle(t, a, largerKeyPair(a))
    t.alike(peer.refusals, [], `peer ${i}`)
  }
  const full = 1
  t.alike((await openIdle(t, a, largerKeyPair(a))).refusals, [full])
})

test('one peer keeps at most eight connections, the latest among them', async (t) => {
  const a = await openEnd(t)
  const keyPair = largerKeyPair(a)
  const all: BarePeer[] = []
  for (let i = 0; i < 20; i++) all.push(await openIdle(t, a, keyPair))
  await until(() => all.filter(({ stream }) => !stream.destroyed).length <= 8, { what: 'no more than 8' })
  t.absent(all.at(-1)?.stream.destroyed, 'the latest stays')
})
