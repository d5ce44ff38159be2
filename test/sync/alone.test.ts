import { test } from 'brittle'
import type { NetworkStatus } from '../../src/net/network.ts'
import { whyAlone } from '../../src/sync/alone.ts'
import { says } from '../support/says.ts'

const status: NetworkStatus = {
  dht: 'reachable',
  nat: 'steady',
  unreachable: 0,
  lan: 'silent',
  tcp: 4000,
  unanswered: [],
  refusedBy: []
}

const cases: ReadonlyArray<readonly [name: string, status: Partial<NetworkStatus>, says: RegExp]> = [
  ['a DHT that knows nobody', {}, /^The DHT is reachable, but nobody .*local network. Is the source running\?$/],
  ['no DHT', { dht: 'unreachable' }, /^The DHT can't be reached, nobody was heard.*p2psync doctor/],
  ['nothing to look with', { dht: 'off', lan: 'off' }, /^The DHT is off. Is the source running/],
  ['an address without an answer', { unanswered: ['10.0.0.1:1'] }, /, nobody answers at 10.0.0.1:1. Is the source/],
  ['a peer that turns us away', { refusedBy: ['10.0.0.1:1'], unreachable: 1 }, /^10.0.0.1:1 has the folder and turns/],
  [
    'NAT that changes ports',
    { unreachable: 1, nat: 'changing' },
    /^A peer .*another port for every.*forwarding.*--peer/
  ],
  ['a firewall', { unreachable: 2 }, /^2 peers .* answer .*lets no UDP packets through.*port forwarding/],
  ['too small a DHT', { unreachable: 1, nat: 'unknown' }, /too few nodes.*p2psync bootstrap/],
  ['a forwarded port in vain', { unreachable: 1, unanswered: ['10.0.0.1:1'] }, /Nobody answers at 10.0.0.1:1\. What/]
]

for (const [name, facts, what] of cases) {
  test(`whyAlone tells of ${name}`, (t) => says(t, whyAlone({ ...status, ...facts }), what))
}
