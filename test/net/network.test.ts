import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import * as c from 'compact-encoding'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import Protomux, { type Message } from 'protomux'
import type { NetworkEvent } from '../../src/net/status.ts'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'
import { openEnd as open } from '../support/end.ts'
import { SlowRelay } from '../support/slow-relay.ts'
import { startTestnet } from '../support/testnet.ts'
import { test } from '../support/together.ts'
import { until } from '../support/until.ts'

test('peers find each other by an address and a key, and what one writes the other reads', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.keys.publicKey }] })
  await Promise.all([a.connected(), b.connected()])
  t.is(a.network.peers[0]?.key, b.keys.publicKey.toString('hex'))
  t.is(a.network.peers[0]?.machine, b.machine.publicKey.toString('hex'))
  t.is(b.network.peers[0]?.distance, 'machine')
  t.ok((b.network.peers[0]?.rttMs ?? Number.POSITIVE_INFINITY) < 1000, 'the round trip was measured')
})

test('peers find each other by an address alone', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  t.alike(b.network.status.unanswered, [])
})

test('peers find each other by an address and the key of a machine', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.machine.publicKey }] })
  await Promise.all([a.connected(), b.connected()])
  t.alike(b.network.status.unanswered, [])
})

test('a key that is another than those at an address is no peer', async (t) => {
  const a = await open(t)
  const wrong = newKeyPair().publicKey
  const b = await open(t, { peers: [{ ...a.address, key: wrong }] })
  await until(() => b.events.some(({ type }) => type === 'stranger'), { what: 'the stranger' })
  t.is(a.network.peers.length + b.network.peers.length, 0)
  t.is(a.carriers.length + b.carriers.length, 0)
  t.is(b.network.status.strangers.length, 1)
})

test('an end with another secret is a stranger, and is told nothing', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [a.address], secret: Buffer.alloc(32, 8) })
  const event = await until(() => b.events.find(({ type }) => type === 'stranger'), { what: 'the stranger' })
  t.alike(event, { type: 'stranger', address: `127.0.0.1:${a.address.port}` })
  t.is(a.network.peers.length + b.network.peers.length, 0)
  t.is(a.carriers.length + b.carriers.length, 0)
  t.alike(a.events, [])
})

test('a machine off the list is turned away, by whichever side dials, until it is on it', async (t) => {
  for (const whoDials of ['the refused', 'the refusing'] as const) {
    const a = await open(t, { allow: new Set() })
    const b = await open(t, whoDials === 'the refused' ? { peers: [a.address] } : {})
    const c = whoDials === 'the refusing' ? await open(t, { allow: new Set(), peers: [b.address] }) : a
    const isRefused = (by: string) => (event: NetworkEvent) => event.type === 'refused' && event.by === by
    await until(() => b.events.some(isRefused('them')) && c.events.some(isRefused('us')), { what: 'the refusal' })
    t.is(b.network.peers.length + c.network.peers.length, 0, whoDials)
    t.is(b.network.status.refusedBy.length, 1)
    c.network.allow(new Set([b.machine.publicKey.toString('hex')]))
    await Promise.all([b.connected(), c.connected()])
    t.alike(b.network.status.refusedBy, [])
    c.network.allow(new Set())
    await until(() => c.network.peers.length === 0 && b.network.peers.length === 0, { what: 'the end of it' })
  }
})

test('two that dial each other at once end with one connection', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.keys.publicKey }] })
  const c = await open(t, { peers: [{ ...b.address, key: b.keys.publicKey }] })
  await Promise.all([a.connected(), b.connected(), c.connected()])
  await until(() => b.network.peers.length === 2, { what: 'both' })
  // Whatever is dialled in vain is over soon; what carries stays as it is.
  const carriers = [a, b, c].map((end) => end.carriers.at(-1))
  await until(() => carriers.every((stream) => stream?.destroyed === false), { what: 'all to carry' })
})

test('what was dialled too late to be of use is let go, and what carries stays', async (t) => {
  // The one that dials too late would decide for what it has dialled.
  const pairs = [newKeyPair(), newKeyPair()].sort((x, y) => x.publicKey.compare(y.publicKey))
  const [smaller, larger] = pairs as [KeyPair, KeyPair]
  const slow = await SlowRelay.open(t)
  const late = await open(t, { keyPair: larger, peers: [{ ...slow.address, key: smaller.publicKey }] })
  await until(() => slow.waiting > 0, { what: 'the dial' })
  const other = await open(t, { keyPair: smaller, peers: [{ ...late.address, key: larger.publicKey }] })
  slow.to = other.address
  await Promise.all([late.connected(), other.connected()])
  slow.letGo()
  await until(() => slow.waiting === 0, { what: 'the end of the dial' })
  t.alike([...late.states, ...other.states], ['connected', 'connected'])
})

test('when TCP dies UDX takes over at once, and TCP comes back', { timeout: 90_000 }, async (t) => {
  const { addresses: bootstrap } = await startTestnet(t)
  const a = await open(t, { bootstrap })
  const b = await open(t, { bootstrap, peers: [{ ...a.address, key: a.keys.publicKey }] })
  const isTcp = (transport: string) => transport === 'tcp'
  await Promise.all([a.connected(isTcp), b.connected(isTcp)])
  // The spare, which never carried, stays.
  await until(() => a.network.spares > 0 && b.network.spares > 0, { what: 'a spare', ms: 30_000 })
  const before = b.carriers.length
  const dying = b.carriers.at(-1) as Duplex
  const died = once(dying, 'close')
  dying.destroy()
  await died
  await until(() => b.carriers.length > before, { what: 'the spare to carry' })
  const moves = b.events.flatMap((event) => (event.type === 'peer' ? [`${event.state} ${event.peer.transport}`] : []))
  t.absent(moves.includes('disconnected tcp'), moves.join(', '))
  await Promise.all([a.connected(isTcp), b.connected(isTcp)])
  // And has a spare again.
  await until(() => a.network.spares > 0 && b.network.spares > 0, { what: 'a new spare', ms: 30_000 })
})

test('processes of one machine find each other also where one listens at another address than the usual one', async (t) => {
  const runtimeDirectory = await t.tmp()
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = runtimeDirectory
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  // All of 127/8 is loopback, and nothing that listens at one is heard at another.
  const listen = (host: string) => open(t, { sameMachine: true, tcp: { host } })
  const [a, b] = await Promise.all([listen('127.0.0.2'), listen('127.0.0.3')])
  await Promise.all([a.connected(), b.connected()])
})

test('two peers with the same keys are told of, and one that is started anew is none', async (t) => {
  const [small, large] = [newKeyPair(), newKeyPair()].sort((a, b) => Buffer.compare(a.publicKey, b.publicKey))
  // Only an end that decides has to choose between them.
  const a = await open(t, { keyPair: large as KeyPair })
  const openTwin = () => open(t, { keyPair: small as KeyPair, peers: [a.address] })
  const isTold = () => a.events.some(({ type }) => type === 'twin')
  for (let i = 0; i < 3; i++) {
    const run = await openTwin()
    await Promise.all([a.connected(), run.connected()])
    await run.network.close()
    await until(() => a.network.peers.length === 0, { what: 'its end' })
  }
  t.absent(isTold(), 'one after the other')
  await Promise.all([openTwin(), openTwin()])
  await until(isTold, { what: 'to be told of them', ms: 30_000 })
})

test('the bytes per second are bounded, and the bounds can be changed', async (t) => {
  const a = await open(t, { limits: { up: 512 * 1024 } })
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  const [from, to] = [a.carriers.at(-1) as Duplex, b.carriers.at(-1) as Duplex]
  const megabyte = Buffer.alloc(2 ** 20)
  let taken = 0
  const [send] = [from, to].map((stream) => {
    const count = (data: Uint8Array) => {
      taken += data.length
    }
    return openTestChannel(stream, count)
  }) as [Message<Uint8Array>]
  const timeToSend = async () => {
    const [startMs, before] = [performance.now(), taken]
    send.send(megabyte)
    await until(() => taken - before === megabyte.length, { what: 'a megabyte' })
    return performance.now() - startMs
  }
  const limitedMs = await timeToSend()
  t.ok(limitedMs > 1500, `1 MiB at 512 KiB/s took ${Math.round(limitedMs)} ms`)
  a.network.limit({})
  const freeMs = await timeToSend()
  t.ok(freeMs < limitedMs / 2, `without a limit ${Math.round(freeMs)} ms`)
})

test('a limit that spreads what came at once over many seconds ends no connection', { timeout: 60_000 }, async (t) => {
  const a = await open(t, { limits: { down: 5000 } })
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  let received = 0
  openTestChannel(a.carriers.at(-1) as Duplex, ({ length }) => {
    received += length
  })
  const message = openTestChannel(b.carriers.at(-1) as Duplex, () => {})
  // Each is whole only seconds after it has left the socket.
  for (let i = 0; i < 2; i++) message.send(Buffer.alloc(32_000, i))
  await until(() => received === 64_000, { what: 'both messages', ms: 40_000 })
  t.alike(
    [...a.states, ...b.states].filter((state) => state !== 'traffic'),
    ['connected', 'connected']
  )
})

function openTestChannel(stream: Duplex, onmessage: (data: Uint8Array) => void): Message<Uint8Array> {
  const nothing = () => {}
  const handlers = { onopen: nothing, onclose: nothing, ondrain: nothing }
  const channel = Protomux.from(stream).createChannel({ protocol: 'test', handshake: c.none, ...handlers })
  if (channel === null) throw new Error('There is one already')
  const message = channel.addMessage({ encoding: c.buffer, onmessage })
  channel.open(null)
  return message
}
