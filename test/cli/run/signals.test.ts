import { test } from 'brittle'
import { exitStatus } from '../../../src/cli/output/exit-status.ts'
import { withSignals } from '../../../src/cli/run/signals.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const listeners = () => signals.map((signal) => process.listenerCount(signal))

for (const signal of signals) {
  test(`${signal} aborts the work, and the exit status is that of an interruption`, async (t) => {
    const before = listeners()
    const status = withSignals(
      (aborted) => new Promise((_, reject) => aborted.addEventListener('abort', () => reject(aborted.reason)))
    )
    process.emit(signal)
    t.is(await status, exitStatus.interrupted)
    t.alike(listeners(), before, 'no listener is left')
  })
}

test('work that ends by itself keeps its exit status and its error', async (t) => {
  t.is(await withSignals(async () => exitStatus.partial), exitStatus.partial)
  const broken = async () => {
    throw new Error('broken')
  }
  await t.exception(() => withSignals(broken), /broken/)
})

test('work that succeeds in spite of a signal keeps its exit status', async (t) => {
  const status = withSignals(async (aborted) => {
    await new Promise((resolve) => aborted.addEventListener('abort', resolve))
    return exitStatus.ok
  })
  process.emit('SIGTERM')
  t.is(await status, exitStatus.ok)
})
