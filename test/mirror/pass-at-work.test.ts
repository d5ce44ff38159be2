import { type Assert, test } from 'brittle'
import { PassStalled, PassWatchdog } from '../../src/mirror/pass-watchdog.ts'
import { until } from '../support/until.ts'

/** A pass that receives nothing, while something newer is there. Its watchdog checks every 2 ms. */
function openWatch(t: Assert) {
  let asked = 0
  const isOutdated = () => ++asked > 0
  const watch = new PassWatchdog({ stop: new AbortController().signal, received: () => 0, isOutdated, stallMs: 10 })
  t.teardown(() => watch.end())
  return { watch, checks: () => asked }
}

/** Long enough for many checks, however late each is. */
async function manyChecks(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 2))
}

test('a pass that receives nothing is given up', async (t) => {
  const { watch } = openWatch(t)
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})

test('a pass that works by itself is not given up, however long it takes, until it waits for peers', async (t) => {
  const { watch, checks } = openWatch(t)
  let waits = false
  watch.beginWork(() => waits)
  await manyChecks()
  t.absent(watch.signal.aborted)
  t.is(checks(), 0, 'the watchdog asks for no newer version either')
  waits = true
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})

test('after its work a pass is watched again', async (t) => {
  const { watch } = openWatch(t)
  const end = watch.beginWork(() => false)
  await manyChecks()
  end()
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})
