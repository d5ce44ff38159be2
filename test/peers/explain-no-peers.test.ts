import { test } from 'brittle'
import type { NetworkStatus } from '../../src/net/status.ts'
import { explainNoPeers } from '../../src/peers/explain-no-peers.ts'

const quiet: NetworkStatus = {
  dht: 'off',
  nat: 'unknown',
  unreachable: 0,
  lan: 'off',
  tcp: 4000,
  unanswered: [],
  strangers: [],
  refusedBy: []
}
const tail = 'Is the source running? p2psync doctor tells more.'
const not = { address: '10.0.0.1:4977', reason: 'not-allowed' } as const
const full = { address: '10.0.0.2:4977', reason: 'full' } as const
const found: Partial<NetworkStatus> = { dht: 'reachable', nat: 'steady', unreachable: 1 }
const forward =
  'What always works is port forwarding: let the router at one end forward a TCP port to the machine there, run ' +
  "p2psync there with --port and that port, and at the other end with --peer and that router's public address and " +
  'port, such as --peer 203.0.113.7:4000.'

const cases: ReadonlyArray<[name: string, status: Partial<NetworkStatus>, says: string]> = [
  [
    'there is no way at all',
    { tcp: undefined },
    'The DHT is off, and without TCP there is no other way to find a peer or to be found by one.'
  ],
  ['nothing is on', {}, `The DHT is off, the local network is not searched. ${tail}`],
  [
    'the DHT answers',
    { dht: 'reachable', lan: 'silent' },
    'The DHT is reachable, but nobody who can be reached is there with this folder, nobody was heard on the local ' +
      'network. Is the source running?'
  ],
  [
    "the DHT doesn't answer",
    { dht: 'unreachable', lan: 'blocked' },
    `The DHT can't be reached, there is no local network to search. ${tail}`
  ],
  [
    'others are on the network',
    { lan: 'heard' },
    `The DHT is off, other machines were heard on the local network, but none with this folder. ${tail}`
  ],
  [
    'given peers are silent, and strangers are at their addresses',
    { lan: 'silent', unanswered: ['10.0.0.1:1', '[::1]:2'], strangers: ['10.0.0.2:2'] },
    'The DHT is off, nobody was heard on the local network, nobody answers at 10.0.0.1:1 or [::1]:2, who answers at ' +
      `10.0.0.2:2 doesn't have this folder. ${tail}`
  ],
  [
    'we are not on the list',
    { ...found, unanswered: ['10.0.0.9:1'], refusedBy: [full, not, not] },
    '10.0.0.1:4977 has the folder and turns this machine away: its public key, KEY, is not on the list of those who ' +
      'may connect. There it can be added, by --allow or as a line of .p2psync/allow. It is asked again.'
  ],
  ['all are full', { refusedBy: [full] }, '10.0.0.2:4977 has as many peers as it may have. It is asked again.'],
  [
    'NAT changes ports',
    { ...found, nat: 'changing' },
    'A peer with this folder answers through the DHT, but no direct way was found so far: the router here uses ' +
      `another port for every connection, and the one at the other end seems to do so too. ${forward}`
  ],
  [
    'a firewall lets nothing through, not even to a given port',
    { ...found, unreachable: 2, unanswered: ['10.0.0.1:1'] },
    '2 peers with this folder answer through the DHT, but no direct way was found so far: a router or firewall, here ' +
      'or at the other end, lets no UDP packets through between the two. Nobody answers at 10.0.0.1:1. ' +
      forward
  ],
  [
    'the DHT is too small',
    { ...found, nat: 'unknown' },
    'A peer with this folder answers through the DHT, but no direct way was found so far: the DHT has too few nodes ' +
      `to find one; p2psync bootstrap runs as many as it takes. ${forward}`
  ]
]
for (const [name, status, says] of cases) {
  test(`being alone is explained where ${name}`, (t) => {
    t.is(explainNoPeers({ ...quiet, ...status }, { machine: 'KEY', isSource: false }), says)
  })
}

test('the source is not asked whether it runs', (t) => {
  const options = { machine: 'KEY', isSource: true }
  t.is(
    explainNoPeers({ ...quiet, dht: 'reachable', lan: 'heard' }, options),
    'The DHT is reachable, but nobody who can be reached is there with this folder, other machines were heard on the ' +
      'local network, but none with this folder.'
  )
})
