import { test } from 'brittle'
import { FolderActivity } from '../../src/folder/folder-activity.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'

test('a peer has rates from its first second on, until they are out of date', (t) => {
  const monitor = new Monitor()
  let nowMs = 1000
  const activity = new FolderActivity(monitor, () => nowMs)
  const peer = (state: 'connected' | 'traffic' | 'disconnected', receiveRate = 0) => {
    const event = { type: 'peer', state, peer: 'them', machine: '', address: '', transport: 'tcp', distance: 'far' }
    monitor.emit({ ...event, rttMs: 1, receiveRate, sendRate: 0, peers: 1 } as SyncEvent)
  }
  const rate = (received: number) => activity.ratesOf({ key: 'them', received, sent: 0 }).receiveRate
  peer('connected')
  nowMs += 200
  // A fifth of a second of traffic, as if it were that of five.
  peer('traffic', 2000)
  nowMs += 1800
  t.is(rate(20_000_000), 10_000_000, 'since the peer connected')
  nowMs += 3200
  peer('traffic', 9_000_000)
  t.is(rate(50_000_000), 9_000_000, 'then over the last few seconds')
  nowMs += 7001
  t.is(rate(50_000_000), 0)
  peer('disconnected')
  peer('connected')
  nowMs += 12_001
  t.is(rate(1000), 0, 'bytes of long ago are no rate')
})
