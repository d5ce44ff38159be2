import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { test } from 'brittle'
import { Debouncer } from '../../src/folder/debouncer.ts'

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

/** Takes up so many bursts, one right after the other. */
async function takeUp(debouncer: Debouncer, bursts: number): Promise<void> {
  for (let i = 0; i < bursts; i++) {
    debouncer.poke()
    await debouncer.settled(never, open)
  }
}

test('where one burst follows the other, they are given more and more quiet', async (t) => {
  const debouncer = new Debouncer({ settleMs: 5, settleMsMax: never })
  await takeUp(debouncer, 12)
  debouncer.poke()
  const startMs = performance.now()
  t.is(await debouncer.settled(never, open), 'events')
  t.ok(performance.now() - startMs >= 100, 'much more than the first of them')
})

test('after a pause a change is taken up as soon as it has settled, however many came before', async (t) => {
  const debouncer = new Debouncer({ settleMs: 1, settleMsMax: never })
  await takeUp(debouncer, 12)
  await sleep(300)
  debouncer.poke()
  t.is(await Promise.race([debouncer.settled(never, open), sleep(150, 'too late')]), 'events')
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
