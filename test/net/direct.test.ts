import { once, setMaxListeners } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import { Direct } from '../../src/net/direct.ts'
import { Bucket } from '../../src/net/wire/bucket.ts'
import { until } from '../support/until.ts'

function openDirect(keyPair = newKeyPair()): Direct {
  return new Direct({ keyPair, throttles: { up: new Bucket(), down: new Bucket() }, onStream: () => {} })
}

test('of too many attempts to reach somebody the oldest are given up, and the latest are not kept waiting', async (t) => {
  const sockets = new Set<Socket>()
  const mute = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
  })
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const { port } = mute.address() as AddressInfo
  const [direct, keyPair] = [openDirect(), newKeyPair()]
  const other = openDirect(keyPair)
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all([direct.close(), other.close(), new Promise((resolve) => mute.close(resolve))])
  })
  await other.listen({ host: '127.0.0.1' })
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  let givenUp = 0
  for (let i = 0; i < 100; i++) {
    direct.dial([{ host: '127.0.0.1', port }], newKeyPair().publicKey, signal).catch(() => givenUp++)
  }
  const { stream } = await direct.dial([{ host: '127.0.0.1', port: other.port }], keyPair.publicKey, signal)
  stream.destroy()
  await until(() => sockets.size > 0 && sockets.size < 64 && givenUp >= 37, { what: 'most to be given up', ms: 4000 })
})
