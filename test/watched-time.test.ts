import { test } from 'brittle'
import { WatchedTime } from '../src/watched-time.ts'

test('time that nobody could look at counts for two intervals', (t) => {
  let clockMs = 5000
  const time = new WatchedTime(100, () => clockMs)
  const lookAfter = (ms: number) => {
    clockMs += ms
    return time.look()
  }
  t.is(time.nowMs, 0)
  t.alike([lookAfter(100), lookAfter(110), lookAfter(60_000), lookAfter(0), lookAfter(90)], [100, 210, 410, 410, 500])
  t.is(time.nowMs, 500)
})
