import { test } from 'brittle'
import { RefreshClock, type RefreshSituation } from '../../../src/net/dht/refresh-clock.ts'

const lonely: RefreshSituation = { isOnline: true, isConnected: false, isPrivate: false }
const silent: RefreshSituation = { ...lonely, isOnline: false }
const together: RefreshSituation = { ...lonely, isConnected: true }
const own: RefreshSituation = { ...together, isPrivate: true }

/** When the DHT is asked in `seconds`, looked at twice a second. */
function asked(clock: RefreshClock, situation: (ms: number) => RefreshSituation, seconds: number): number[] {
  const times = []
  for (let ms = 500; ms <= 1000 * seconds; ms += 500) if (clock.isDue(ms, situation(ms))) times.push(ms / 1000)
  return times
}

const cases: ReadonlyArray<[name: string, situation: (ms: number) => RefreshSituation, times: readonly number[]]> = [
  // It answers from the first look on, half a second after the start.
  ['soon after the start, and then every 10 s while one is alone', () => lonely, [2.5, 12.5, 22.5]],
  ['once after the start in company', () => together, [2.5]],
  ['every 10 s in a DHT of our own', () => own, [2.5, 12.5, 22.5]],
  ['every 2 s while it does not answer', () => silent, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]],
  ['soon after it answers', (ms) => (ms < 9500 ? silent : lonely), [2, 4, 6, 8, 11.5, 21.5]]
]
for (const [name, situation, times] of cases) {
  test(`the DHT is asked ${name}`, (t) => t.alike(asked(new RefreshClock(0), situation, 24), [...times]))
}

test('the DHT is asked for two minutes after a peer was lost', (t) => {
  const clock = new RefreshClock(0)
  clock.lost(0)
  t.alike(
    asked(clock, () => together, 300),
    [2.5, 12.5, 22.5, 32.5, 42.5, 52.5, 62.5, 72.5, 82.5, 92.5, 102.5, 112.5]
  )
})

test('the DHT is asked soon after a change of the network', (t) => {
  const clock = new RefreshClock(0)
  asked(clock, () => together, 24)
  clock.changed(24_000)
  t.absent(clock.isDue(25_500, together))
  t.ok(clock.isDue(26_000, together))
  t.absent(clock.isDue(300_000, together))
})
