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

test('peers connect by an address and a peer key', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.keys.publicKey }] })
  await Promise.all([a.connected(), b.connected()])
  t.is(a.network.peers[0]?.key, b.keys.publicKey.toString('hex'))
  t.is(a.network.peers[0]?.machine, b.machine.publicKey.toString('hex'))
  t.is(b.network.peers[0]?.distance, 'machine')
  t.ok((b.network.peers[0]?.rttMs ?? Number.POSITIVE_INFINITY) < 1000, 'the round trip was measured')
})

test('peers connect by an address alone', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  t.alike(b.network.status.unanswered, [])
})

test('peers connect by an address and a machine key', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.machine.publicKey }] })
  await Promise.all([a.connected(), b.connected()])
  t.alike(b.network.status.unanswered, [])
})

test('an address where nobody has the required key counts as a stranger', async (t) => {
  const a = await open(t)
  const wrong = newKeyPair().publicKey
  const b = await open(t, { peers: [{ ...a.address, key: wrong }] })
  await until(() => b.events.some(({ type }) => type === 'stranger'), { what: 'the stranger' })
  t.is(a.network.peers.length + b.network.peers.length, 0)
  t.is(a.carriers.length + b.carriers.length, 0)
  t.is(b.network.status.strangers.length, 1)
})

test('an end with another secret is reported as a stranger by the dialler only', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [a.address], secret: Buffer.alloc(32, 8) })
  const event = await until(() => b.events.find(({ type }) => type === 'stranger'), { what: 'the stranger' })
  t.alike(event, { type: 'stranger', address: `127.0.0.1:${a.address.port}` })
  t.is(a.network.peers.length + b.network.peers.length, 0)
  t.is(a.carriers.length + b.carriers.length, 0)
  t.alike(a.events, [])
})

test('a machine is refused, whichever side dials, until the allow list has it', async (t) => {
  for (const dialler of ['the refused', 'the refusing'] as const) {
    const a = await open(t, { allow: new Set() })
    const b = await open(t, dialler === 'the refused' ? { peers: [a.address] } : {})
    const c = dialler === 'the refusing' ? await open(t, { allow: new Set(), peers: [b.address] }) : a
    const isRefused = (by: string) => (event: NetworkEvent) => event.type === 'refused' && event.by === by
    await until(() => b.events.some(isRefused('them')) && c.events.some(isRefused('us')), { what: 'the refusal' })
    t.is(b.network.peers.length + c.network.peers.length, 0, dialler)
    t.is(b.network.status.refusedBy.length, 1)
    c.network.allow(new Set([b.machine.publicKey.toString('hex')]))
    await Promise.all([b.connected(), c.connected()])
    t.alike(b.network.status.refusedBy, [])
    c.network.allow(new Set())
    await until(() => c.network.peers.length === 0 && b.network.peers.length === 0, { what: 'the disconnection' })
  }
})

test('two peers that dial each other at once keep one connection', async (t) => {
  const a = await open(t)
  const b = await open(t, { peers: [{ ...a.address, key: a.keys.publicKey }] })
  const c = await open(t, { peers: [{ ...b.address, key: b.keys.publicKey }] })
  await Promise.all([a.connected(), b.connected(), c.connected()])
  await until(() => b.network.peers.length === 2, { what: 'both' })
  // Surplus connections close soon; the carriers stay open.
  const carriers = [a, b, c].map((end) => end.carriers.at(-1))
  await until(() => carriers.every((stream) => stream?.destroyed === false), { what: 'all to carry' })
})

test('a dial that completes after another connection is up is closed, and the carrier stays', async (t) => {
  // The late dialler has the larger key, so it would decide in favour of its own connection.
  const pairs = [newKeyPair(), newKeyPair()].sort((x, y) => x.publicKey.compare(y.publicKey))
  const [smaller, larger] = pairs as [KeyPair, KeyPair]
  const slow = await SlowRelay.open(t)
  const late = await open(t, { keyPair: larger, peers: [{ ...slow.address, key: smaller.publicKey }] })
  await until(() => slow.waiting > 0, { what: 'the dial' })
  const other = await open(t, { keyPair: smaller, peers: [{ ...late.address, key: larger.publicKey }] })
  slow.to = other.address
  await Promise.all([late.connected(), other.connected()])
  slow.letGo()
  await until(() => slow.waiting === 0, { what: 'the dial to close' })
  t.alike([...late.states, ...other.states], ['connected', 'connected'])
})

test('UDX takes over at once when TCP dies, and TCP comes back', async (t) => {
  const { addresses: bootstrap } = await startTestnet(t)
  const a = await open(t, { bootstrap })
  const b = await open(t, { bootstrap, peers: [{ ...a.address, key: a.keys.publicKey }] })
  const isTcp = (transport: string) => transport === 'tcp'
  await Promise.all([a.connected(isTcp), b.connected(isTcp)])
  // The spare has never carried, so it stays open.
  await until(() => a.network.spares > 0 && b.network.spares > 0, { what: 'a spare' })
  const before = b.carriers.length
  const dying = b.carriers.at(-1) as Duplex
  const died = once(dying, 'close')
  dying.destroy()
  await died
  await until(() => b.carriers.length > before, { what: 'the spare to carry' })
  const moves = b.events.flatMap((event) => (event.type === 'peer' ? [`${event.state} ${event.peer.transport}`] : []))
  t.absent(moves.includes('disconnected tcp'), moves.join(', '))
  await Promise.all([a.connected(isTcp), b.connected(isTcp)])
  // UDX is a spare again.
  await until(() => a.network.spares > 0 && b.network.spares > 0, { what: 'a new spare' })
})

test('processes of one machine find each other when they listen at other addresses than 127.0.0.1', async (t) => {
  const runtimeDirectory = await t.tmp()
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = runtimeDirectory
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  // All of 127/8 is loopback, and a listener at one address doesn't answer at another.
  const listen = (host: string) => open(t, { sameMachine: true, tcp: { host } })
  const [a, b] = await Promise.all([listen('127.0.0.2'), listen('127.0.0.3')])
  await Promise.all([a.connected(), b.connected()])
})

test('two running peers with the same keys are reported, and a restarted peer is not', async (t) => {
  const [small, large] = [newKeyPair(), newKeyPair()].sort((a, b) => Buffer.compare(a.publicKey, b.publicKey))
  // The end with the larger key has to choose between the two.
  const a = await open(t, { keyPair: large as KeyPair })
  const openDuplicate = () => open(t, { keyPair: small as KeyPair, peers: [a.address] })
  const isReported = () => a.events.some(({ type }) => type === 'duplicate-identity')
  for (let i = 0; i < 3; i++) {
    const run = await openDuplicate()
    await Promise.all([a.connected(), run.connected()])
    await run.network.close()
    await until(() => a.network.peers.length === 0, { what: 'the disconnection' })
  }
  t.absent(isReported(), 'one after the other')
  await Promise.all([openDuplicate(), openDuplicate()])
  await until(isReported, { what: 'the report' })
})

test('a network keeps to its bandwidth limit, and the limit can be changed', async (t) => {
  const a = await open(t, { limits: { up: 512 * 1024 } })
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  const [from, to] = [a.carriers.at(-1) as Duplex, b.carriers.at(-1) as Duplex]
  const megabyte = Buffer.alloc(2 ** 20)
  let received = 0
  const [send] = [from, to].map((stream) => {
    const count = (data: Uint8Array) => {
      received += data.length
    }
    return openTestChannel(stream, count)
  }) as [Message<Uint8Array>]
  const timeToSend = async () => {
    const [startMs, before] = [performance.now(), received]
    send.send(megabyte)
    await until(() => received - before === megabyte.length, { what: 'a megabyte' })
    return performance.now() - startMs
  }
  const limitedMs = await timeToSend()
  t.ok(limitedMs > 1500, `1 MiB at 512 KiB/s took ${Math.round(limitedMs)} ms`)
  // At this rate, the transfer would exceed the deadline of `until`.
  a.network.limit({ up: 1024 })
  const sent = timeToSend()
  a.network.limit({})
  t.comment(`without a limit ${Math.round(await sent)} ms`)
})

test('a limit that delays received data by many seconds ends no connection', async (t) => {
  const a = await open(t, { limits: { down: 5000 } })
  const b = await open(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  let received = 0
  openTestChannel(a.carriers.at(-1) as Duplex, ({ length }) => {
    received += length
  })
  const message = openTestChannel(b.carriers.at(-1) as Duplex, () => {})
  // Each message is complete only seconds after its bytes left the socket.
  for (let i = 0; i < 2; i++) message.send(Buffer.alloc(32_000, i))
  await until(() => received === 64_000, { what: 'both messages' })
  t.alike(
    [...a.states, ...b.states].filter((state) => state !== 'traffic'),
    ['connected', 'connected']
  )
})

function openTestChannel(stream: Duplex, onmessage: (data: Uint8Array) => void): Message<Uint8Array> {
  const nothing = () => {}
  const handlers = { onopen: nothing, onclose: nothing, ondrain: nothing }
  const channel = Protomux.from(stream).createChannel({ protocol: 'test', handshake: c.none, ...handlers })
  if (channel === null) throw new Error('The stream has a test channel already')
  const message = channel.addMessage({ encoding: c.buffer, onmessage })
  channel.open(null)
  return message
}
