import { test } from 'brittle'
import fc from 'fast-check'
import { type Address, isUnicast } from '../../src/net/address/address.ts'
import { Peer, retryMs } from '../../src/net/peer.ts'
import { holds, must } from '../support/property.ts'
import { until } from '../support/until.ts'

/** A peer that answers at no address, with the addresses of each dial. */
function openPeer(decides = true) {
  const dialled: (readonly Address[])[] = []
  const peer = new Peer({
    key: 'aa',
    decides,
    dial: async (addresses) => {
      dialled.push(addresses)
      throw new Error('Nobody answers')
    },
    onDialled: () => {},
    mayComeByUdx: () => false,
    nearMs: () => 5,
    onCarrier: () => {},
    onChange: () => {}
  })
  return { peer, dialled }
}

const at = (i: number): readonly Address[] => [{ host: `10.0.0.${i}`, port: 1 }]

test('a peer is dialled at once at each new address on the local network', async (t) => {
  const { peer, dialled } = openPeer()
  t.teardown(() => peer.close())
  for (let i = 1; i <= 10; i++) {
    peer.reachableAt('lan', at(i))
    await until(() => dialled.length >= i, { what: `dial ${i}` })
  }
  t.alike(dialled[9], at(10))
})

test('a peer that keeps introducing new addresses is dialled no more often than a steady one', async (t) => {
  const [fickle, steady] = [openPeer(), openPeer()]
  t.teardown(() => {
    fickle.peer.close()
    steady.peer.close()
  })
  steady.peer.reachableAt('introduction', at(1))
  for (let i = 1; i <= 250; i++) {
    fickle.peer.reachableAt('introduction', at(i))
    await Promise.resolve()
    await new Promise(setImmediate)
  }
  // The first address is dialled, and again after a pause.
  await until(() => fickle.dialled.length >= 2 && steady.dialled.length >= 2, { what: 'another try' })
  t.ok(fickle.dialled.length <= steady.dialled.length + 1, `${fickle.dialled.length}, ${steady.dialled.length}`)
})

test('at most eight distinct addresses are dialled at once', async (t) => {
  const { peer, dialled } = openPeer()
  t.teardown(() => peer.close())
  peer.reachableAt('lan', [...at(1), ...at(1), ...Array.from({ length: 30 }, (_, i) => at(i + 1)).flat()])
  await until(() => dialled.length > 0, { what: 'a dial' })
  t.alike(
    dialled[0]?.map(({ host }) => host),
    Array.from({ length: 8 }, (_, i) => `10.0.0.${i + 1}`)
  )
})

test('a peer that has left is not known any more', (t) => {
  const { peer } = openPeer()
  peer.reachableAt('machine', at(1))
  t.ok(peer.isKnown)
  peer.reachableAt('machine', [])
  t.absent(peer.isKnown)
  peer.close()
})

test('the pause before a dial grows up to a bound, and is randomised', async (t) => {
  t.is(retryMs(0, 0), 300)
  t.is(retryMs(1, 0), 600)
  t.is(retryMs(5, 0), 9600)
  t.is(retryMs(6, 0), 15_000)
  const inputs = fc.property(fc.nat(2000), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
    const ms = retryMs(attempts, random)
    must(ms >= 300 && ms <= 22_500, `${ms}`)
    must(retryMs(attempts + 1, random) >= ms, 'the pause shrinks')
    must(retryMs(attempts, 1) >= ms, 'the random part shrinks it')
  })
  await holds(t, inputs)
})

test('isUnicast accepts the addresses of exactly one other machine', (t) => {
  for (const host of [
    '10.0.0.1',
    '203.0.113.7',
    '192.168.1.1',
    '169.254.3.4',
    '2001:db8::1',
    'fd00::1',
    '::ffff:10.0.0.1'
  ])
    t.ok(isUnicast(host), host)
  for (const host of [
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.1.1', '255.255.255.255', '240.0.0.1'],
    ...['::', '::1', 'ff02::fb', 'fe80::1', '::ffff:127.0.0.1', '::FFFF:127.0.0.1', '::ffff:7f00:1']
  ])
    t.absent(isUnicast(host), host)
})
