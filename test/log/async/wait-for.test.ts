import { getEventListeners } from 'node:events'
import { test } from 'brittle'
import { endingWith, waitFor } from '../../../src/log/async/wait-for.ts'
import { failureOf } from '../../support/failure.ts'

const forever = new Promise<never>(() => {})

test('waitFor resolves and rejects with its promise', async (t) => {
  const { signal } = new AbortController()
  t.is(await waitFor(Promise.resolve(7), signal), 7)
  const error = new Error('why')
  t.is(await failureOf(() => waitFor(Promise.reject(error), signal)), error)
  t.is(getEventListeners(signal, 'abort').length, 0, 'no listener is left')
})

test('waitFor resolves with undefined when the time is over', async (t) => {
  const { signal } = new AbortController()
  // The timer of waitFor keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  t.is(await waitFor(forever, signal, { ms: 1 }), undefined)
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('waitFor rejects with the reason of an abortion, before and while it waits', async (t) => {
  const stop = new AbortController()
  const waiting = failureOf(() => waitFor(forever, stop.signal))
  t.is(getEventListeners(stop.signal, 'abort').length, 1)
  const reason = new Error('enough')
  stop.abort(reason)
  t.is(await waiting, reason)
  t.is(await failureOf(() => waitFor(Promise.reject(new Error('late')), stop.signal)), reason)
  t.is(getEventListeners(stop.signal, 'abort').length, 0)
})

test('a signal of endingWith aborts with the other, or by its own end', (t) => {
  const stop = new AbortController()
  const [one, two] = [endingWith(stop.signal), endingWith(stop.signal)]
  t.is(getEventListeners(stop.signal, 'abort').length, 2)
  one.end()
  t.alike([one.signal.aborted, two.signal.aborted, stop.signal.aborted], [true, false, false])
  t.is(getEventListeners(stop.signal, 'abort').length, 1, 'an ended one leaves no listener')
  stop.abort('reason')
  t.is(two.signal.reason, 'reason')
  t.is(endingWith(stop.signal).signal.reason, 'reason', 'also of a signal that is aborted already')
})
