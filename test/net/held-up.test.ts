import { test } from 'brittle'
import { openEnd } from '../support/end.ts'
import { until } from '../support/until.ts'

/** Longer than a peer may be silent. */
const blockedMs = 6500

test('a process whose event loop was blocked keeps its connections', async (t) => {
  const a = await openEnd(t)
  const b = await openEnd(t, { peers: [a.address] })
  await Promise.all([a.connected(), b.connected()])
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs)
  const before = b.network.traffic.received
  await until(() => b.network.traffic.received > before + 200, { what: 'more traffic' })
  const lost = [...a.events, ...b.events].filter((event) => event.type === 'peer' && event.state !== 'connected')
  t.alike(lost, [])
})
