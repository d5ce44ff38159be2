import { test } from 'brittle'
import { RefreshClock, type RefreshSituation } from '../../../src/net/dht/refresh-clock.ts'

const lonely: RefreshSituation = { isOnline: true, isConnected: false, isPrivate: false }
const offline: RefreshSituation = { ...lonely, isOnline: false }
const connected: RefreshSituation = { ...lonely, isConnected: true }
const privateDht: RefreshSituation = { ...connected, isPrivate: true }

/** The times of refreshes within `seconds`, with two checks per second. */
function refreshTimes(clock: RefreshClock, situation: (ms: number) => RefreshSituation, seconds: number): number[] {
  const times = []
  for (let ms = 500; ms <= 1000 * seconds; ms += 500) if (clock.isDue(ms, situation(ms))) times.push(ms / 1000)
  return times
}

const cases: ReadonlyArray<[name: string, situation: (ms: number) => RefreshSituation, times: readonly number[]]> = [
  // The DHT answers from the first check on, half a second after the start.
  ['soon after the start, then every 10 s without peers', () => lonely, [2.5, 12.5, 22.5]],
  ['once after the start with a peer', () => connected, [2.5]],
  ['every 10 s in a private DHT', () => privateDht, [2.5, 12.5, 22.5]],
  ['every 2 s while it does not answer', () => offline, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]],
  ['soon after it answers again', (ms) => (ms < 9500 ? offline : lonely), [2, 4, 6, 8, 11.5, 21.5]]
]
for (const [name, situation, times] of cases) {
  test(`the DHT is refreshed ${name}`, (t) => t.alike(refreshTimes(new RefreshClock(0), situation, 24), [...times]))
}

test('the DHT is refreshed for two minutes after a peer was lost', (t) => {
  const clock = new RefreshClock(0)
  clock.lost(0)
  t.alike(
    refreshTimes(clock, () => connected, 300),
    [2.5, 12.5, 22.5, 32.5, 42.5, 52.5, 62.5, 72.5, 82.5, 92.5, 102.5, 112.5]
  )
})

test('the DHT is refreshed soon after a change of the network', (t) => {
  const clock = new RefreshClock(0)
  refreshTimes(clock, () => connected, 24)
  clock.changed(24_000)
  t.absent(clock.isDue(25_500, connected))
  t.ok(clock.isDue(26_000, connected))
  t.absent(clock.isDue(300_000, connected))
})
