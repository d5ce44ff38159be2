import { test } from 'brittle'
import fc from 'fast-check'
import { AttendedClock } from '../src/attended-clock.ts'
import { HandTimers } from './support/hand-timers.ts'
import { holds, must } from './support/property.ts'

/** What happens to a process, in milliseconds. */
type Phase = readonly ['runs' | 'is stopped', number]

function play(timers: HandTimers, phases: readonly Phase[]): void {
  for (const [what, ms] of phases) {
    if (what === 'runs') timers.run(ms)
    else timers.stop(ms)
  }
}

const cases: ReadonlyArray<[name: string, phases: readonly Phase[], fromMs: number, toMs: number]> = [
  ['counts all the time in which the process runs', [['runs', 10_000]], 9990, 10_000],
  ['counts next to nothing of a stop', [['is stopped', 30_000]], 0, 250],
  [
    'counts what was before a stop and after it',
    [
      ['runs', 1000],
      ['is stopped', 30_000],
      ['runs', 1000]
    ],
    2000,
    2250
  ],
  [
    'counts no more than a tick of each of many stops',
    Array.from({ length: 10 }, (): readonly Phase[] => [
      ['is stopped', 5000],
      ['runs', 1]
    ]).flat(),
    0,
    2510
  ]
]
for (const [name, phases, fromMs, toMs] of cases) {
  test(`an attended clock ${name}`, (t) => {
    const timers = new HandTimers()
    const clock = new AttendedClock(timers)
    const startMs = clock.now()
    play(timers, phases)
    const ms = clock.now() - startMs
    t.ok(ms >= fromMs && ms <= toMs, `${ms} ms`)
  })
}

test('a time limit passes when it is due, and not while the process is stopped', (t) => {
  const timers = new HandTimers()
  const clock = new AttendedClock(timers)
  let passed = 0
  clock.after(5000, () => passed++)
  timers.run(4000)
  timers.stop(60_000)
  timers.run(500)
  t.is(passed, 0)
  timers.run(600)
  t.is(passed, 1)
  timers.run(60_000)
  t.is(passed, 1, 'once')
})

test('a time limit that is due first lets in what came before', (t) => {
  const timers = new HandTimers()
  const clock = new AttendedClock(timers)
  let passed = 0
  const cancel = clock.after(1000, () => passed++)
  timers.run(990)
  timers.input(5, cancel)
  timers.stop(20_000)
  timers.run(10_000)
  t.is(passed, 0)
})

test('an attended clock knows for a while how late the timers were', (t) => {
  const timers = new HandTimers()
  const clock = new AttendedClock(timers)
  clock.now()
  timers.run(10_000)
  t.ok(clock.lateMs < 10, `${clock.lateMs} ms in time`)
  timers.stop(4000)
  timers.run(1)
  t.ok(clock.lateMs > 3500 && clock.lateMs <= 4000, `${clock.lateMs} ms late`)
  timers.run(60_000)
  t.ok(clock.lateMs > 1500 && clock.lateMs < 2100, `${clock.lateMs} ms a minute later`)
  timers.run(600_000)
  t.ok(clock.lateMs < 10, `${clock.lateMs} ms much later`)
})

test('an attended clock never goes back, nor faster than time', async (t) => {
  const phase = fc.tuple(fc.constantFrom('runs' as const, 'is stopped' as const), fc.nat(3000))
  const inputs = fc.property(fc.array(phase, { maxLength: 30 }), (phases) => {
    const timers = new HandTimers()
    const clock = new AttendedClock(timers)
    let [before, beforeMs] = [clock.now(), timers.now()]
    for (const each of phases) {
      play(timers, [each])
      const [now, nowMs] = [clock.now(), timers.now()]
      must(now >= before, `from ${before} to ${now}`)
      must(now - before <= nowMs - beforeMs, `${now - before} in ${nowMs - beforeMs} ms`)
      ;[before, beforeMs] = [now, nowMs]
    }
  })
  await holds(t, inputs)
})
