import { test } from 'brittle'
import type { NetworkStatus } from '../../src/net/network.ts'
import { whyAlone } from '../../src/sync/alone.ts'

const quiet: NetworkStatus = { dht: 'off', lan: 'off', tcp: undefined, unanswered: [], strangers: [], refusedBy: [] }
const doctor = 'Is the source running, and is the network up? p2psync doctor tells more.'
const not = { address: '10.0.0.1:4977', reason: 'not-allowed' } as const
const full = { address: '10.0.0.2:4977', reason: 'full' } as const

const cases: ReadonlyArray<[name: string, status: Partial<NetworkStatus>, says: string]> = [
  ['nothing is on', {}, `The DHT is off. ${doctor}`],
  [
    'the DHT answers',
    { dht: 'reachable' },
    'The DHT is reachable, but nobody who can be reached is there with this folder. Is the source running?'
  ],
  ["the DHT doesn't answer", { dht: 'unreachable' }, `The DHT can't be reached. ${doctor}`],
  [
    'others are on the network',
    { lan: 'heard' },
    `The DHT is off, other machines were heard on the local network, but none with this folder. ${doctor}`
  ],
  ['nobody is', { lan: 'silent' }, `The DHT is off, nobody was heard on the local network. ${doctor}`],
  ['there is no network', { lan: 'blocked' }, `The DHT is off, there is no local network to search. ${doctor}`],
  [
    'given peers are silent',
    { unanswered: ['10.0.0.1:1', '[::1]:2'] },
    `The DHT is off, nobody answers at 10.0.0.1:1 or [::1]:2. ${doctor}`
  ],
  [
    'strangers are at their addresses',
    { unanswered: ['10.0.0.1:1'], strangers: ['10.0.0.2:2'] },
    `The DHT is off, nobody answers at 10.0.0.1:1, who answers at 10.0.0.2:2 doesn't have this folder. ${doctor}`
  ],
  [
    'we are not on the list',
    { dht: 'reachable', unanswered: ['10.0.0.9:1'], refusedBy: [full, not, not] },
    '10.0.0.1:4977 has the folder and turns this machine away: its public key, KEY, is not on the list of those who ' +
      'may connect. There it can be added, by --allow or as a line of .p2psync/allow. It is asked again.'
  ],
  ['all are full', { refusedBy: [full] }, '10.0.0.2:4977 has as many peers as it may have. It is asked again.']
]
for (const [name, status, says] of cases) {
  test(`being alone is explained where ${name}`, (t) => t.is(whyAlone({ ...quiet, ...status }, 'KEY'), says))
}
