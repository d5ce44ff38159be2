import { once } from 'node:events'
import { test } from 'brittle'
import { BarePeer } from '../support/bare-peer.ts'
import { openEnd, secret } from '../support/end.ts'
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
