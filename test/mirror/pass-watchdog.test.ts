import { test } from 'brittle'
import { PassStalled, PassWatchdog, WatchedPasses } from '../../src/mirror/pass-watchdog.ts'
import { failureOf } from '../support/failure.ts'
import { until } from '../support/until.ts'

const never = new AbortController().signal
const hangMs = 120_000

test('only a pass that is outdated and makes no progress is given up', async (t) => {
  let [received, trickled] = [0, 0]
  const silent = { stop: never, received: () => 0 }
  const stalled = new PassWatchdog({ ...silent, isOutdated: () => true })
  const wanted = new PassWatchdog({ ...silent, isOutdated: () => false })
  const receiving = new PassWatchdog({
    stop: never,
    received: () => {
      received += 4096
      return received
    },
    isOutdated: () => true
  })
  const trickling = new PassWatchdog({
    stop: never,
    received: () => {
      trickled += 100
      return trickled
    },
    isOutdated: () => true
  })
  let work = () => {}
  const working = new PassWatchdog({
    stop: never,
    received: () => {
      work()
      return 0
    },
    isOutdated: () => true
  })
  work = () => working.active()
  const all = [stalled, wanted, receiving, trickling, working]
  t.teardown(() => {
    for (const each of all) each.end()
  })
  const given = () => stalled.signal.aborted && trickling.signal.aborted
  await until(given, { what: 'the stalled passes to be given up', ms: hangMs })
  t.ok(stalled.signal.reason instanceof PassStalled)
  t.absent(wanted.signal.aborted, 'nobody waits for it to end')
  t.absent(receiving.signal.aborted, 'bytes come')
  t.absent(working.signal.aborted, 'it works')
})

test('a pass ends with the mirror, and when it is given up', async (t) => {
  const stop = new AbortController()
  const options = { stop: stop.signal, received: () => 0, isOutdated: () => false }
  const [first, second] = [new PassWatchdog(options), new PassWatchdog(options)]
  first.giveUp()
  t.ok(first.signal.reason instanceof PassStalled)
  second.end()
  stop.abort(new Error('closed'))
  t.absent(second.signal.aborted, 'it has ended before')
  const late = new PassWatchdog(options)
  t.is((late.signal.reason as Error).message, 'closed')
  first.end()
  late.end()
})

test('passes fail with the reason for which they were given up', async (t) => {
  const passes = new WatchedPasses({ stop: never, received: () => 0 })
  t.ok(passes.areIdleFor(0))
  t.is(
    await passes.run(
      () => false,
      async () => 'done'
    ),
    'done'
  )
  const own = new Error('own')
  const failing = async () => {
    t.absent(passes.areIdleFor(0), 'one is running')
    throw own
  }
  t.is(await failureOf(() => passes.run(() => false, failing)), own)
  const cutShort = async () => {
    passes.active()
    passes.giveUp()
    throw own
  }
  t.ok((await failureOf(() => passes.run(() => false, cutShort))) instanceof PassStalled)
  t.ok(passes.areIdleFor(0))
  t.absent(passes.areIdleFor(1e9))
  passes.giveUp()
  t.pass('nothing runs that could be given up')
})
