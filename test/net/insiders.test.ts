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

/** A network that listens on loopback, and hostile peers that know the secret. */
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
  /** Opens an honest peer. */
  const honest = () => open({ peers: [{ host: '127.0.0.1', port }], onEvent: () => {}, onCarrier: () => {} })
  return { network, events, carriers, insider, honest, port }
}

/** An unrelated server on this machine that counts connections. */
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

/** A key pair whose public key is almost certainly the larger one, so that its owner decides between paths. */
function decidingKeyPair() {
  for (;;) {
    const pair = newKeyPair()
    if (pair.publicKey[0] === 255) return pair
  }
}

test('at most 64 peers are admitted, counting those that never replicate', async (t) => {
  const { insider } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 100; i++) insiders.push(await insider({ keyPair: decidingKeyPair() }))
  await until(() => insiders.every(({ isGone, pongs }) => isGone || pongs > 0), { what: 'all to be in or out' })
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 64, `${inside} are in`)
})

test('one peer has at most 8 connections', async (t) => {
  const { insider } = await openScene(t)
  const keyPair = decidingKeyPair()
  const insiders: Insider[] = []
  for (let i = 0; i < 30; i++) insiders.push(await insider({ keyPair }))
  await until(() => insiders.every(({ isGone, pongs }) => isGone || pongs > 0), { what: 'all to be in or out' })
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 8, `${inside} are in`)
})

test('peers that prove the secret but do not introduce themselves are bounded like strangers', async (t) => {
  const { insider } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 30; i++) insiders.push(await insider({ introduces: false }))
  const inside = insiders.filter(({ isGone }) => !isGone).length
  t.ok(inside <= 8, `${inside} are in`)
})

/** A loopback address other than that of the honest peers. Only Linux has it. */
const elsewhere = { localAddress: '127.0.0.9' }
const onLinux = { skip: process.platform !== 'linux' }

test('a host that has all places gives one up to another host', onLinux, async (t) => {
  const { insider, network, honest } = await openScene(t)
  const insiders: Insider[] = []
  for (let i = 0; i < 70; i++) insiders.push(await insider({ ...elsewhere, keyPair: decidingKeyPair() }))
  await until(() => insiders.filter(({ pongs }) => pongs > 0).length === 64, { what: 'the host to take all places' })
  const peer = await honest()
  await until(() => peer.peers.length === 1, { what: 'the honest peer' })
  await until(() => network.peers.length === 1 && insiders.filter(({ isGone }) => !isGone).length === 63, {
    what: 'a place for it'
  })
  // Hosts take places from each other only until they have equally many; within a host, the first keep theirs.
  const another = await insider({ ...elsewhere, keyPair: decidingKeyPair() })
  await until(() => another.isGone, { what: 'the refusal' })
  t.is(network.peers.length, 1, 'the honest peer has stayed')
})

test('a peer cannot make us dial loopback or multicast addresses', async (t) => {
  const victim = await countConnections(t)
  const { insider } = await openScene(t)
  const hosts = ['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', '224.0.0.1']
  const each = await insider({ bend: (truth) => ({ ...truth, port: victim.port, hosts }) })
  await until(() => each.pongs > 0, { what: 'an answer' })
  // Without a TCP connection, the peer's addresses would be dialled.
  each.stream.destroy()
  // By the time a later connection is up, such a dial would have happened.
  const honest = await insider()
  await until(() => honest.pongs > 0, { what: 'another' })
  t.is(victim.count, 0)
})

test('an introduction that claims the key of another machine ends the connection', async (t) => {
  const honestMachine = newKeyPair()
  const { insider, network } = await openScene(t, { allow: new Set([honestMachine.publicKey.toString('hex')]) })
  const liar = await insider({ bend: (truth) => ({ ...truth, machine: honestMachine.publicKey }) })
  await until(() => liar.isGone, { what: 'the connection to close' })
  // A signature replayed from another connection is invalid, too.
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
  await until(() => replayer.isGone, { what: 'the connection to close' })
  t.alike([liar.pongs, replayer.pongs], [0, 0])
  t.is(
    network.peers.every(({ machine }) => machine === honestMachine.publicKey.toString('hex')),
    true
  )
})

test('an invalid introduction ends its connection, and an honest peer still connects', async (t) => {
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
    await until(() => each.isGone, { what: 'the connection to close' })
  }
  const peer = await honest()
  await until(() => peer.peers.length === 1, { what: 'the honest peer' })
})
