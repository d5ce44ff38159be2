import { test } from 'brittle'
import { Lateness, patienceMs } from '../src/lateness.ts'

test('the worst recent lateness counts, and halves each minute', (t) => {
  const lateness = new Lateness()
  t.is(lateness.at(0), 0)
  lateness.note(4000, 1000)
  lateness.note(1000, 2000)
  t.ok(lateness.at(2000) > 3900, 'a smaller delay changes nothing')
  t.is(lateness.at(61_000), 2000)
  lateness.note(3000, 61_000)
  t.is(lateness.at(61_000), 3000, 'a larger one than what is left replaces it')
  lateness.note(-50, 200_000)
  t.ok(lateness.at(200_000) >= 0)
})

test('a process that was stopped for an hour counts as no busier than one that was late by 15 s', (t) => {
  const lateness = new Lateness()
  lateness.note(3_600_000, 0)
  t.is(lateness.at(0), 15_000)
  t.is(lateness.at(60_000), 7500)
})

test('a limit grows with lateness, up to its maximum', (t) => {
  const limit = { minMs: 5000, maxMs: 45_000 }
  t.is(patienceMs(limit, 0), 5000)
  t.is(patienceMs(limit, 2000), 11_000)
  t.is(patienceMs(limit, 60_000), 45_000)
})
