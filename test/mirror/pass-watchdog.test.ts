import { type Assert, test } from 'brittle'
import { PassStalled, PassWatchdog } from '../../src/mirror/pass-watchdog.ts'
import { until } from '../support/until.ts'

/** A pass that receives nothing, while something newer is there. Its watch looks every 2 ms. */
function openWatch(t: Assert) {
  let asked = 0
  const isOutdated = () => ++asked > 0
  const watch = new PassWatchdog({ stop: new AbortController().signal, received: () => 0, isOutdated, stallMs: 10 })
  t.teardown(() => watch.end())
  return { watch, looks: () => asked }
}

/** Long enough for many looks, however late each is. */
async function manyLooks(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 2))
}

test('a pass that waits for nothing to come is given up', async (t) => {
  const { watch } = openWatch(t)
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})

test('a pass at work of its own is not given up, however long that takes, until it waits for peers', async (t) => {
  const { watch, looks } = openWatch(t)
  let waits = false
  watch.beginWork(() => waits)
  await manyLooks()
  t.absent(watch.signal.aborted)
  t.is(looks(), 0, 'nor was it asked whether it should be')
  waits = true
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})

test('after its work a pass is watched as before', async (t) => {
  const { watch } = openWatch(t)
  const end = watch.beginWork(() => false)
  await manyLooks()
  end()
  await until(() => watch.signal.aborted, { what: 'the end of the pass' })
  t.ok(watch.signal.reason instanceof PassStalled)
})
