import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { test } from 'brittle'
import { OverflowGuess, overflowThreshold } from '../../../src/disk/watch/overflow.ts'
import { until } from '../../support/until.ts'

async function count(guess: OverflowGuess, events: number): Promise<void> {
  for (let i = 0; i < events; i++) guess.count()
  await nextTurn()
}

test('each burst in one turn is reported, with its number of events', async (t) => {
  const bursts: number[] = []
  const guess = new OverflowGuess((events) => bursts.push(events), 10)
  t.teardown(() => guess.end())
  await count(guess, 12)
  await until(() => bursts.length > 0, { what: 'the burst to end' })
  await count(guess, 10)
  await until(() => bursts.length > 1, { what: 'the next burst to end' })
  t.alike(bursts, [12, 10])
})

test('events in several turns are no burst, and the end cancels a report', async (t) => {
  const bursts: number[] = []
  const quiet = new OverflowGuess((events) => bursts.push(events), 10)
  for (let i = 0; i < 5; i++) await count(quiet, 9)
  const ended = new OverflowGuess((events) => bursts.push(events), 10)
  await count(ended, 10)
  ended.end()
  await sleep(300)
  t.alike(bursts, [])
  t.ok(overflowThreshold() >= 1)
})
