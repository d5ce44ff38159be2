import { test } from 'brittle'
import type { Address } from '../../../src/net/address/address.ts'
import { LanPeers } from '../../../src/net/lan/lan-peers.ts'

const key = 'ab'.repeat(32)
const ttlMs = 120_000

function listen() {
  const reports: [publicKey: string, hosts: string[]][] = []
  const peers = new LanPeers((publicKey, addresses) => reports.push([publicKey, addresses.map(({ host }) => host)]))
  return { peers, reports }
}

function at(number: number): Address {
  return { host: `10.0.0.${number}`, port: 4000 }
}

test('a peer is reported with all its addresses, the last heard first', (t) => {
  const { peers, reports } = listen()
  peers.heard(key, at(1), ttlMs, 0)
  peers.heard(key, at(2), ttlMs, 10)
  t.alike(reports, [
    [key, ['10.0.0.1']],
    [key, ['10.0.0.2', '10.0.0.1']]
  ])
})

test('an unchanged peer is reported again at most once a second', (t) => {
  const { peers, reports } = listen()
  for (const nowMs of [0, 500, 999, 1000, 1500, 2000]) peers.heard(key, at(1), ttlMs, nowMs)
  t.is(reports.length, 3)
})

test('expired addresses are dropped, and a peer with its last address', (t) => {
  const { peers, reports } = listen()
  peers.heard(key, at(1), 1000, 0)
  peers.heard(key, at(2), 3000, 0)
  reports.length = 0
  peers.expire(999)
  t.alike(reports, [])
  peers.expire(1000)
  t.alike(reports, [[key, ['10.0.0.2']]])
  peers.expire(2999)
  t.is(reports.length, 1)
  peers.expire(3000)
  peers.expire(9999)
  t.alike(reports.slice(1), [[key, []]])
})

test('a goodbye ends the addresses at the host that sent it', (t) => {
  const { peers, reports } = listen()
  peers.heard(key, at(1), ttlMs, 0)
  peers.heard(key, at(2), ttlMs, 0)
  reports.length = 0
  peers.left(key, '10.0.0.3', 1)
  peers.left('cd'.repeat(32), '10.0.0.1', 1)
  t.alike(reports, [], 'another host or another peer has no effect')
  peers.left(key, '10.0.0.1', 1)
  peers.left(key, '10.0.0.2', 1)
  t.alike(reports, [
    [key, ['10.0.0.2']],
    [key, []]
  ])
})

test('a peer is recent when all its addresses were heard recently', (t) => {
  const { peers } = listen()
  peers.heard(key, at(1), ttlMs, 0)
  t.alike(peers.recent(60_000, 60_000), [key])
  t.alike(peers.recent(60_000, 60_001), [])
  peers.heard(key, at(2), ttlMs, 60_001)
  t.alike(peers.recent(60_000, 60_001), [], 'the other address is older')
})

test('no more than 8 addresses of a peer are remembered, the last heard', (t) => {
  const { peers, reports } = listen()
  for (let number = 1; number <= 20; number++) peers.heard(key, at(number), ttlMs, number)
  t.alike(
    reports.at(-1)?.[1],
    [20, 19, 18, 17, 16, 15, 14, 13].map((number) => `10.0.0.${number}`)
  )
})

test('no more than 256 peers are remembered, the last heard', (t) => {
  const { peers, reports } = listen()
  const keys = Array.from({ length: 1000 }, (_, index) => index.toString(16).padStart(64, '0'))
  for (const [index, publicKey] of keys.entries()) {
    peers.heard(publicKey, at(1), ttlMs, index)
    peers.heard(keys[0] as string, at(2), ttlMs, index)
  }
  const known = new Map(reports.map(([publicKey, hosts]) => [publicKey, hosts.length]))
  const remembered = keys.filter((publicKey) => known.get(publicKey) !== 0)
  t.is(remembered.length, 256)
  t.alike(remembered, [keys[0], ...keys.slice(-255)])
  const forgotten = reports.filter(([, hosts]) => hosts.length === 0).map(([publicKey]) => publicKey)
  t.alike(forgotten, keys.slice(1, -255), 'never the first, which is heard repeatedly')
})
