import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'brittle'
import { openEnd } from '../support/end.ts'
import { SlowRelay } from '../support/slow-relay.ts'
import { until } from '../support/until.ts'

/** Longer than the interval between checks of a connection. */
const laterMs = 3000

test('silence ends a connection to another machine, but not one within a machine', async (t) => {
  const a = await openEnd(t)
  const open = async (options: { readonly machine?: typeof a.machine }) => {
    const relay = await SlowRelay.open(t)
    relay.to = a.address
    const end = await openEnd(t, { peers: [relay.address], ...options })
    await until(() => relay.waiting > 0, { what: 'the dial' })
    relay.letGo()
    await end.connected()
    return { relay, end }
  }
  const near = await open({ machine: a.machine })
  // Its address is local as well, as at the end of a tunnel, but its machine key differs.
  const far = await open({})
  near.relay.freeze()
  await sleep(laterMs)
  far.relay.freeze()
  const isOver = () => far.end.states.includes('disconnected')
  await until(isOver, { what: 'the end of the silent connection' })
  t.alike(near.end.states, ['connected'])
  t.is(near.end.network.peers.length, 1)
})
