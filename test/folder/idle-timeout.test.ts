import { test } from 'brittle'
import { IdleTimeout } from '../../src/folder/idle-timeout.ts'
import { untilAborted } from '../../src/folder/until-aborted.ts'
import { failureOf } from '../support/failure.ts'

const never = new Promise<never>(() => {})
const forEverMs = 3_600_000

test('it aborts when nothing has been received for its time', async (t) => {
  const timeout = new IdleTimeout(new AbortController().signal, { timeoutMs: 20, received: () => 5 })
  await failureOf(() => untilAborted(never, timeout.signal))
  t.ok(timeout.isOver)
  timeout.end()
})

test('the bytes that keep a connection alive do not count', async (t) => {
  let received = 0
  const timeout = new IdleTimeout(new AbortController().signal, { timeoutMs: 20, received: () => received++ })
  await failureOf(() => untilAborted(never, timeout.signal))
  t.ok(timeout.isOver)
  timeout.end()
})

test('bytes that are received put it off', async (t) => {
  let [received, asked] = [0, 0]
  const timeout = new IdleTimeout(new AbortController().signal, {
    timeoutMs: 20,
    // It asks 20 times in its time: something comes for five times as long.
    received: () => {
      asked++
      if (asked < 100) received += 10_000
      return received
    }
  })
  await failureOf(() => untilAborted(never, timeout.signal))
  t.ok(asked >= 100, `asked ${asked} times`)
  timeout.end()
})

test('the outer signal ends it, and that is no timeout', (t) => {
  const outer = new AbortController()
  const timeout = new IdleTimeout(outer.signal, { timeoutMs: forEverMs, received: () => 0 })
  const reason = new Error('closed')
  outer.abort(reason)
  t.is(timeout.signal.reason, reason)
  t.absent(timeout.isOver)
  timeout.end()
  const late = new IdleTimeout(outer.signal, { timeoutMs: forEverMs, received: () => 0 })
  t.ok(late.signal.aborted)
  late.end()
})
