import { test } from 'brittle'
import { Tasks } from '../../src/folder/tasks.ts'
import { untilAborted } from '../../src/folder/until-aborted.ts'
import { codeOf, failureOf } from '../support/failure.ts'

const never = new Promise<never>(() => {})

test('an operation gets its answer, or its own error', async (t) => {
  const tasks = new Tasks()
  t.is(await tasks.run(undefined, async () => 3), 3)
  const odd = new Error('odd')
  t.is(await failureOf(() => tasks.run(undefined, () => Promise.reject(odd))), odd)
})

test('closing cuts operations short, and waits for their end', async (t) => {
  const tasks = new Tasks()
  let isOver = false
  const operation = tasks.run(undefined, async (signal) => {
    try {
      await untilAborted(never, signal)
    } finally {
      await new Promise<void>((resolve) => setImmediate(resolve))
      isOver = true
    }
  })
  const code = codeOf(() => operation)
  tasks.abort()
  await tasks.ended()
  t.ok(isOver)
  t.is(await code, 'CLOSED')
  t.is(await codeOf(() => tasks.run(undefined, (signal) => untilAborted(never, signal))), 'CLOSED', 'a late one too')
})

test('whoever asked may end an operation, for their own reason', async (t) => {
  const tasks = new Tasks()
  const end = new AbortController()
  const operation = tasks.run(end.signal, (signal) =>
    untilAborted(never, signal).catch(() => Promise.reject(new Error('cut')))
  )
  const reason = new Error('no longer wanted')
  const failure = failureOf(() => operation)
  end.abort(reason)
  t.is(await failure, reason)
})
