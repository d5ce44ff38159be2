import { type Assert, test } from 'brittle'
import { keyPair } from 'hypercore-crypto'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { printKey } from '../../src/log/hypercore/store.ts'
import { Connections, type ConnectOptions } from '../../src/peers/connections.ts'
import { codeOf } from '../support/failure.ts'
import { freePort } from '../support/free-port.ts'
import { openStore } from '../support/log.ts'
import { until } from '../support/until.ts'

const secret = Buffer.alloc(32, 9)

/** The connections of a store of its own, on loopback alone. */
async function connectionsOf(t: Assert, options: ConnectOptions & { readonly sends?: boolean } = {}) {
  const monitor = new Monitor()
  const events: SyncEvent[] = []
  monitor.subscribe((event) => events.push(event))
  const connections = new Connections(monitor, await openStore(t), {
    bootstrap: [],
    lan: false,
    listen: '127.0.0.1',
    sends: false,
    ...options,
    secret,
    home: await t.tmp(),
    onFailure: (error) => t.fail(error.message)
  })
  t.teardown(() => connections.close(), { order: 0 })
  const notices = () => events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
  return { connections, events, notices }
}

test('two stores with one secret connect, and tell of it', async (t) => {
  const port = await freePort()
  const source = await connectionsOf(t, { port, sends: true })
  const mirror = await connectionsOf(t, { peers: [{ host: '127.0.0.1', port }] })
  t.is(source.connections.whyNoPeers, undefined, 'before it has started')
  await source.connections.start()
  await mirror.connections.start()
  await until(() => mirror.connections.peers.length === 1, { what: 'a peer' })
  await until(() => source.connections.peers.length === 1, { what: 'its other end' })
  const [connected] = mirror.events.filter(({ type }) => type === 'peer')
  t.ok(connected?.type === 'peer' && connected.state === 'connected' && connected.peers === 1)
  t.ok(mirror.connections.traffic.received > 0)
  await source.connections.close()
  await until(() => mirror.connections.peers.length === 0, { what: 'the end' })
  t.ok(mirror.events.some((event) => event.type === 'peer' && event.state === 'disconnected'))
})

test('a machine that is not on the list is turned away, and both ends tell why', async (t) => {
  const port = await freePort()
  const source = await connectionsOf(t, { port, sends: true, allow: [printKey(keyPair().publicKey)] })
  const mirror = await connectionsOf(t, { peers: [{ host: '127.0.0.1', port }] })
  await source.connections.start()
  await mirror.connections.start()
  const tells = (notices: () => readonly string[], words: RegExp) =>
    until(() => notices().some((it) => words.test(it)), { what: String(words) })
  await tells(source.notices, /was turned away: the public key of its machine/)
  await tells(mirror.notices, /turns this machine away/)
  t.is(mirror.connections.peers.length, 0)
})

test('limits count from the start, and can be changed', async (t) => {
  const { connections } = await connectionsOf(t, { limits: { up: 5 } })
  t.is(connections.limits, undefined, 'before it has started')
  await connections.start()
  t.alike(connections.limits, { up: 5 })
  connections.limit({ down: 7 })
  t.alike(connections.limits, { down: 7 })
})

test('a key that is none, and a port that is taken, are refused', async (t) => {
  t.is(await codeOf(async () => (await connectionsOf(t, { allow: ['none'] })).connections.start()), 'BAD_KEY')
  const port = await freePort()
  const first = await connectionsOf(t, { port })
  await first.connections.start()
  t.is(await codeOf(async () => (await connectionsOf(t, { port })).connections.start()), 'PORT_IN_USE')
})

test('connections that are closed while they start open no port', async (t) => {
  const port = await freePort()
  const { connections } = await connectionsOf(t, { port })
  const started = connections.start()
  await connections.close()
  await started
  const next = await connectionsOf(t, { port })
  await next.connections.start()
  t.pass('the port is free')
})
