import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'brittle'
import { End, openEnd } from '../support/end.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

test('a network closed while it starts does not listen', async (t) => {
  const port = await freePort()
  // Resolving the host is asynchronous, so the network isn't listening yet when `close` is called.
  const end = new End(t, { tcp: { port, host: '127.0.0.1' }, sameMachine: true })
  const started = end.network.start()
  await end.network.close()
  await started
  const socket = connect({ port, host: '127.0.0.1' })
  await t.exception(() => once(socket, 'connect'), /ECONNREFUSED/)
})

test('closing a network disconnects its peers', async (t) => {
  const a = await openEnd(t)
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  await b.network.close()
  t.alike(b.states, ['connected', 'disconnected'])
  t.alike(b.network.peers, [])
  await until(() => a.network.peers.length === 0, { what: 'the disconnection at the other end' })
  t.alike(a.states, ['connected', 'disconnected'])
})

test('a network with connected peers can be closed and opened again at the same port', async (t) => {
  const port = await freePort()
  const a = await openEnd(t, { tcp: { port } })
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  await a.network.close()
  const again = await openEnd(t, { tcp: { port }, keyPair: a.keys })
  await Promise.all([again.connected(), b.connected()])
})
