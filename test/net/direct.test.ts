import { once, setMaxListeners } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import { Direct } from '../../src/net/direct.ts'
import { Bucket } from '../../src/net/wire/bucket.ts'
import { withoutLongTimers } from '../support/long-timers.ts'
import { until } from '../support/until.ts'

function openDirect(keyPair = newKeyPair()): Direct {
  return new Direct({ keyPair, throttles: { up: new Bucket(), down: new Bucket() }, onStream: () => {} })
}

test('the oldest of too many concurrent dials are aborted, and the latest is not delayed', async (t) => {
  // No dial times out by itself.
  withoutLongTimers(t)
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
  let failed = 0
  for (let i = 0; i < 100; i++) {
    direct.dial([{ host: '127.0.0.1', port }], newKeyPair().publicKey, signal).catch(() => failed++)
  }
  const { stream } = await direct.dial([{ host: '127.0.0.1', port: other.port }], keyPair.publicKey, signal)
  stream.destroy()
  await until(() => sockets.size > 0 && sockets.size < 64 && failed >= 37, { what: 'the aborted dials' })
})
