import { once } from 'node:events'
import { type Assert, test } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'
import { BarePeer } from '../support/bare-peer.ts'
import { type End, openEnd, secret } from '../support/end.ts'
import { until } from '../support/until.ts'

test('a peer whose introduction is nonsense is let go, and harms nobody', async (t) => {
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

test('nothing that comes in one breath with a wrong proof is listened to', async (t) => {
  // With a list whoever is introduced, and not on it, is told of.
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
  await until(() => a.network.traffic.received > 0, { what: 'the end of it' })
  t.alike(a.events, [])
  t.alike(a.carriers, [])
  t.alike(a.network.status.refusedBy, [])
})

/** Keys of one that decides what carries, and so may leave it open for ever. */
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

test('peers over which nothing goes take the places of peers all the same', async (t) => {
  const a = await openEnd(t)
  for (let i = 0; i < 64; i++) {
    const peer = await openIdle(t, a, largerKeyPair(a))
    t.alike(peer.refusals, [], `peer ${i}`)
  }
  const full = 1
  t.alike((await openIdle(t, a, largerKeyPair(a))).refusals, [full])
})

test('one peer keeps no more than a few connections', async (t) => {
  const a = await openEnd(t)
  const keyPair = largerKeyPair(a)
  const all: BarePeer[] = []
  for (let i = 0; i < 20; i++) all.push(await openIdle(t, a, keyPair))
  await until(() => all.filter(({ stream }) => !stream.destroyed).length <= 8, { what: 'no more than 8' })
  t.absent(all.at(-1)?.stream.destroyed, 'the latest stays')
})
