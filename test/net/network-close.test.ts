import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'brittle'
import { End, openEnd } from '../support/end.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

test('a network that is closed while it starts leaves nothing behind', async (t) => {
  const port = await freePort()
  // A host has to be looked up, however quickly: so there is a moment in which it doesn't listen yet.
  const end = new End(t, { tcp: { port, host: '127.0.0.1' }, sameMachine: true })
  const started = end.network.start()
  await end.network.close()
  await started
  const socket = connect({ port, host: '127.0.0.1' })
  await t.exception(() => once(socket, 'connect'), /ECONNREFUSED/)
})

test('whoever was connected is disconnected when the network is closed', async (t) => {
  const a = await openEnd(t)
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  await b.network.close()
  t.alike(b.states, ['connected', 'disconnected'])
  t.alike(b.network.peers, [])
  await until(() => a.network.peers.length === 0, { what: 'the end at the other end' })
  t.alike(a.states, ['connected', 'disconnected'])
})

test('a network is opened again at the port that it had, whoever was connected to it', async (t) => {
  const port = await freePort()
  const a = await openEnd(t, { tcp: { port } })
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  await a.network.close()
  const again = await openEnd(t, { tcp: { port }, keyPair: a.keys })
  await Promise.all([again.connected(), b.connected()])
})
