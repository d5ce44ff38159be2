import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { test } from 'brittle'
import { type DebounceClock, Debouncer } from '../../src/folder/debouncer.ts'

// Long enough never to pass in a test: whoever waits for it is ended by something else, or hangs.
const never = 3_600_000
const open = new AbortController().signal

test('a wait times out without an event', async (t) => {
  const debouncer = new Debouncer({ settleMs: 0, settleMsMax: 0 })
  t.is(await debouncer.settled(0, open), 'timeout')
  t.is(await debouncer.settled(5, open), 'timeout')
})

test('an event before the wait ends it', async (t) => {
  const debouncer = new Debouncer({ settleMs: 0, settleMsMax: never })
  debouncer.poke()
  t.is(await debouncer.settled(never, open), 'events')
})

test('an event during the wait ends it', async (t) => {
  const debouncer = new Debouncer({ settleMs: 1, settleMsMax: never })
  const waiting = debouncer.settled(never, open)
  await nextTurn()
  debouncer.poke()
  t.is(await waiting, 'events')
})

test('a burst of events is one piece of work', async (t) => {
  const debouncer = new Debouncer({ settleMs: 1, settleMsMax: never })
  for (let i = 0; i < 100; i++) debouncer.poke()
  t.is(await debouncer.settled(never, open), 'events')
  t.is(await debouncer.settled(0, open), 'timeout')
})

test('each event starts the quiet anew', async (t) => {
  const settleMs = 20
  const debouncer = new Debouncer({ settleMs, settleMsMax: never })
  let lastMs = 0
  let pokes = 0
  const timer = setInterval(() => {
    if (++pokes === 20) clearInterval(timer)
    lastMs = performance.now()
    debouncer.poke()
  }, 2)
  t.teardown(() => clearInterval(timer))
  t.is(await debouncer.settled(never, open), 'events')
  t.ok(performance.now() - lastMs >= settleMs, 'it was quiet for long enough')
})

test('a burst that goes on is taken up all the same', async (t) => {
  const debouncer = new Debouncer({ settleMs: never, settleMsMax: 20 })
  const timer = setInterval(() => debouncer.poke(), 1)
  t.teardown(() => clearInterval(timer))
  t.is(await debouncer.settled(never, open), 'events')
})

test('events that have not settled keep the timeout from ending the wait', async (t) => {
  const stop = new AbortController()
  const debouncer = new Debouncer({ settleMs: never, settleMsMax: never })
  debouncer.poke()
  const waiting = debouncer.settled(0, stop.signal)
  await nextTurn()
  stop.abort()
  t.is(await waiting, 'aborted')
})

test('an abort ends a wait at once, and one from before lets none begin', async (t) => {
  const stop = new AbortController()
  const debouncer = new Debouncer({ settleMs: never, settleMsMax: never })
  const waiting = debouncer.settled(never, stop.signal)
  await nextTurn()
  stop.abort()
  t.is(await waiting, 'aborted')
  t.is(await debouncer.settled(never, stop.signal), 'aborted')
})

test('an abort loses no event', async (t) => {
  const debouncer = new Debouncer({ settleMs: 0, settleMsMax: 0 })
  debouncer.poke()
  t.is(await debouncer.settled(never, AbortSignal.abort()), 'aborted')
  t.is(await debouncer.settled(never, open), 'events')
})

test('a wait longer than a timer can count is waited for in parts', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const debouncer = new Debouncer({ settleMs: 1, settleMsMax: never })
  const waiting = debouncer.settled(Number.POSITIVE_INFINITY, open)
  t.is(await Promise.race([waiting, nextTurn('still waiting')]), 'still waiting')
  t.alike(warnings, [], 'no timer overflows, to fire at once')
  debouncer.poke()
  t.is(await waiting, 'events')
})

/** A clock on which a wait is over as soon as nothing else is left to do. */
class IdleClock implements DebounceClock {
  #nowMs = 0

  now(): number {
    return this.#nowMs
  }

  after(ms: number, act: () => void): () => void {
    const timer = setImmediate(() => {
      this.pass(ms)
      act()
    })
    return () => clearImmediate(timer)
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }
}

/** Takes up so many bursts, one right after the other. @returns how long the last one was given, in milliseconds */
async function takeUp(schedule: Debouncer, clock: DebounceClock, bursts: number): Promise<number> {
  let startMs = 0
  for (let i = 0; i < bursts; i++) {
    startMs = clock.now()
    schedule.poke()
    await schedule.settled(never, open)
  }
  return clock.now() - startMs
}

test('where one burst follows the other, they are given more and more quiet', async (t) => {
  const clock = new IdleClock()
  const schedule = new Debouncer({ settleMs: 5, settleMsMax: never }, clock)
  t.is(await takeUp(schedule, clock, 1), 5)
  t.is(await takeUp(schedule, clock, 12), 200)
})

test('after a pause a change is taken up as soon as it has settled, however many came before', async (t) => {
  const clock = new IdleClock()
  const schedule = new Debouncer({ settleMs: 1, settleMsMax: never }, clock)
  t.is(await takeUp(schedule, clock, 13), 200)
  clock.pass(300)
  t.is(await takeUp(schedule, clock, 1), 1)
})

test('after a large burst the next one is given time to grow', async (t) => {
  const stop = new AbortController()
  const debouncer = new Debouncer({ settleMs: 1, settleMsMax: never })
  for (let i = 0; i < 1000; i++) debouncer.poke()
  t.is(await debouncer.settled(never, open), 'events')
  debouncer.poke()
  const waiting = debouncer.settled(never, stop.signal)
  t.is(await Promise.race([waiting, sleep(20, 'it may grow')]), 'it may grow')
  stop.abort()
  t.is(await waiting, 'aborted')
})
