import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Assert, test } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import type { Introduction } from '../../src/net/introduction.ts'
import { Network, type NetworkSettings } from '../../src/net/network.ts'
import type { NetworkEvent } from '../../src/net/status.ts'
import { Insider, type InsiderOptions } from '../support/insider.ts'
import { until } from '../support/until.ts'

const secret = Buffer.alloc(32, 7)

/** A network that listens on loopback, and peers of it that know the secret and mean harm. */
async function openScene(t: Assert, options: Partial<NetworkSettings> = {}) {
  const events: NetworkEvent[] = []
  const carriers: Duplex[] = []
  const open = async (more: Partial<NetworkSettings>) => {
    const network = new Network({
      keyPair: newKeyPair(),
      machine: newKeyPair(),
      secret,
      sends: false,
      bootstrap: [],
      lan: false,
      sameMachine: false,
      onCarrier: (stream) => carriers.push(stream),
      onEvent: (event) => events.push(event),
      ...more
    })
    t.teardown(() => network.close())
    await network.start()
    return network
  }
  const network = await open(options)
  const port = network.status.tcp ?? 0
  const insider = (more: Partial<InsiderOptions> = {}) => Insider.open(t, { port, secret, ...more })
  /** An honest peer comes. */
  const honest = () => open({ peers: [{ host: '127.0.0.1', port }], onEvent: () => {}, onCarrier: () => {} })
  return { network, events, carriers, insider, honest, port }
}

/** Something on this machine that has nothing to do with it, and counts who connects. */
async function countConnections(t: Assert) {
  const server = createServer((socket) => {
    seen.count++
    socket.destroy()
  })
  server.listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const seen = { port: (server.address() as AddressInfo).port, count: 0 }
  return seen
}

/** Key pairs whose public key is larger than any that is likely: their owner decides between paths. */
function deciding() {
  for (;;) {
    const pair = newKeyPair()
    if (pair.publicKey[0] === 255) return pair
  }
}

test('peers that never carry anything count too: there are no more than 64', async (t) => {
  const { insider } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 100; i++) insiders.push(await insider({ keyPair: deciding() }))
  await until(() => insiders.every(({ isGone, pongs }) => isGone || pongs > 0), { what: 'all to be in or out' })
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 64, `${inside} are in`)
})

test('a peer has a few connections at most', async (t) => {
  const { insider } = await openScene(t)
  const keyPair = deciding()
  const insiders: Insider[] = []
  for (let i = 0; i < 30; i++) insiders.push(await insider({ keyPair }))
  await until(() => insiders.every(({ isGone, pongs }) => isGone || pongs > 0), { what: 'all to be in or out' })
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 8, `${inside} are in`)
})

test('who has the key and says nothing of himself is bounded like a stranger', async (t) => {
  const { insider } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 30; i++) insiders.push(await insider({ introduces: false }))
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 8, `${inside} are in`)
})

/** An address of loopback that isn't that of the honest peers. Only Linux has it. */
const elsewhere = { localAddress: '127.0.0.9' }
const onLinux = { skip: process.platform !== 'linux' }

test('one host that takes all places gives one up to another host', onLinux, async (t) => {
  const { insider, network, honest } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 70; i++) insiders.push(await insider({ ...elsewhere, keyPair: deciding() }))
  await until(() => insiders.filter(({ pongs }) => pongs > 0).length === 64, { what: 'the host to fill it' })
  const peer = await honest()
  await until(() => peer.peers.length === 1, { what: 'the honest peer' })
  await until(() => network.peers.length === 1 && insiders.filter(({ isGone }) => !isGone).length === 63, {
    what: 'its place'
  })
  // There is one place for the other host, and so many as make it even; within a host it is first come, first served.
  const another = await insider({ ...elsewhere, keyPair: deciding() })
  await until(() => another.isGone, { what: 'its end' })
  t.is(network.peers.length, 1, 'the honest peer has stayed')
})

test('whoever has the secret can have us dial nothing on this machine', async (t) => {
  const victim = await countConnections(t)
  const { insider } = await openScene(t)
  const hosts = ['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', '224.0.0.1']
  const each = await insider({ bend: (truth) => ({ ...truth, port: victim.port, hosts }) })
  await until(() => each.pongs > 0, { what: 'an answer' })
  // Without a TCP connection it would be dialled.
  each.stream.destroy()
  // Whoever comes by another way now has been dialled after it.
  const honest = await insider()
  await until(() => honest.pongs > 0, { what: 'another' })
  t.is(victim.count, 0)
})

test('an introduction that claims the machine of another is refused', async (t) => {
  const honestMachine = newKeyPair()
  const { insider, network } = await openScene(t, { allow: new Set([honestMachine.publicKey.toString('hex')]) })
  const liar = await insider({ bend: (truth) => ({ ...truth, machine: honestMachine.publicKey }) })
  await until(() => liar.isGone, { what: 'its end' })
  // A signature of another connection is no better.
  const first = await insider({ machine: honestMachine })
  await until(() => first.pongs > 0, { what: 'the honest one' })
  let seen: Uint8Array | undefined
  await insider({
    machine: honestMachine,
    bend: (truth) => {
      seen = truth.signature
      return truth
    }
  })
  const replayer = await insider({
    bend: (truth) => ({ ...truth, machine: honestMachine.publicKey, signature: seen ?? truth.signature })
  })
  await until(() => replayer.isGone, { what: 'its end' })
  t.alike([liar.pongs, replayer.pongs], [0, 0])
  t.is(
    network.peers.every(({ machine }) => machine === honestMachine.publicKey.toString('hex')),
    true
  )
})

test('introductions of nonsense end the connection, and nothing else', async (t) => {
  const { insider, honest } = await openScene(t)
  const bent: readonly ((truth: Introduction) => Introduction)[] = [
    (truth) => ({ ...truth, port: 70_000 }),
    (truth) => ({ ...truth, hosts: ['example.org'] }),
    (truth) => ({ ...truth, hosts: ['x'.repeat(3000)] }),
    (truth) => ({ ...truth, machine: Buffer.alloc(5) }),
    (truth) => ({ ...truth, signature: Buffer.alloc(64) })
  ]
  for (const bend of bent) {
    const each = await insider({ bend })
    await until(() => each.isGone, { what: 'its end' })
  }
  const peer = await honest()
  await until(() => peer.peers.length === 1, { what: 'the honest peer' })
})
