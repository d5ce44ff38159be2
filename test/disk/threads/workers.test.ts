import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Assert, test } from 'brittle'
import { Workers, type WorkersOptions } from '../../../src/disk/threads/workers.ts'
import { SyncError, systemCode } from '../../../src/errors.ts'
import { failureOf } from '../../support/failure.ts'
import { until } from '../../support/until.ts'
import type { TestJobs } from '../../support/working-thread.ts'

const entry = new URL('../../support/working-thread.js', import.meta.url)

function open(t: Assert, options: WorkersOptions = {}): Workers<TestJobs> {
  const workers = new Workers<TestJobs>({ entry, ...options })
  t.teardown(() => workers.close())
  return workers
}

/** A job that holds its thread until it is let go. */
async function hold(t: Assert, workers: Workers<TestJobs>, signal?: AbortSignal) {
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const path = join(await t.tmp(), 'begun')
  const done = workers.run('hold', { flag, path }, signal === undefined ? {} : { signal })
  done.catch(() => {})
  const end = () => {
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
  }
  t.teardown(end, { order: -1 })
  return { done, end, path, hasBegun: () => existsSync(path) }
}

test('worker threads answer, each job its own', async (t) => {
  const workers = open(t)
  t.is(workers.threads, 0, 'nothing is started before there is work')
  const sums = await Promise.all([1, 2, 3, 4, 5].map((n) => workers.run('sum', { numbers: [n, 10] })))
  t.alike(sums, [11, 12, 13, 14, 15])
  t.is(workers.threads, 2)
})

test('a request transfers its bytes to a worker thread, and the answer back', async (t) => {
  const workers = open(t)
  const bytes = new Uint8Array([1, 2, 3])
  const answer = await workers.run('count', bytes, { transfer: [bytes.buffer] })
  t.alike([...answer], [2, 3, 4])
  t.is(bytes.length, 0)
})

test('an error keeps its code on its way out of a worker thread, and stays a SyncError', async (t) => {
  const workers = open(t)
  const missing = await failureOf(() => workers.run('read', '/nowhere/at/all'))
  t.is(systemCode(missing), 'ENOENT')
  t.is((missing as NodeJS.ErrnoException).path, '/nowhere/at/all')
  t.absent(missing instanceof SyncError)
  const full = (await failureOf(() => workers.run('fill', undefined as never))) as SyncError
  t.ok(full instanceof SyncError)
  t.alike([full.code, full.message, (full.cause as Error).message], ['DISK_FULL', 'No room', 'the reason'])
  t.is(await workers.run('sum', { numbers: [1] }), 1, 'and the next job is done')
})

test('a request that cannot be cloned fails alone', async (t) => {
  const workers = open(t)
  const numbers = [1, (() => {}) as unknown as number]
  t.is(((await failureOf(() => workers.run('sum', { numbers }))) as Error).name, 'DataCloneError')
  t.is(await workers.run('sum', { numbers: [1] }), 1)
})

test('an abort drops waiting jobs and lets running ones finish', async (t) => {
  const workers = open(t, { threadsMax: 1 })
  const stop = new AbortController()
  const running = await hold(t, workers, stop.signal)
  await until(running.hasBegun, { what: 'a job that runs' })
  const ahead = await hold(t, workers)
  const waiting = await hold(t, workers, stop.signal)
  stop.abort(new Error('enough'))
  t.is(((await failureOf(() => waiting.done)) as Error).message, 'enough')
  running.end()
  ahead.end()
  t.is(await running.done, running.path)
  await ahead.done
  t.absent(waiting.hasBegun())
  t.is(
    ((await failureOf(() => workers.run('sum', { numbers: [] }, { signal: stop.signal }))) as Error).message,
    'enough'
  )
})

test('room waits while the queue is full', async (t) => {
  const workers = open(t, { threadsMax: 1 })
  const held = []
  // One runs, one is ahead in the thread, two wait.
  for (let i = 0; i < 4; i++) {
    await workers.room()
    held.push(await hold(t, workers))
  }
  let hasRoom = false
  const room = workers.room().then(() => {
    hasRoom = true
  })
  const stop = new AbortController()
  const aborted = failureOf(() => workers.room(stop.signal))
  stop.abort(new Error('enough'))
  t.is(((await aborted) as Error).message, 'enough')
  t.absent(hasRoom)
  held[0]?.end()
  await room
  for (const { end } of held) end()
})

test('a thread that dies fails its job, and the next has another', async (t) => {
  const workers = open(t, { threadsMax: 1 })
  const died = (await failureOf(() => workers.run('die', undefined as never))) as Error
  t.is(died.message, 'A worker thread ended in the middle of its work: a fault of its own')
  t.is(await workers.run('sum', { numbers: [1] }), 1)
})

test('close waits for running jobs and drops the others', async (t) => {
  const workers = open(t, { threadsMax: 1 })
  const running = await hold(t, workers)
  await until(running.hasBegun, { what: 'a job that runs' })
  const ahead = await hold(t, workers)
  const waiting = await hold(t, workers)
  const closing = workers.close()
  t.is(((await failureOf(() => waiting.done)) as SyncError).code, 'CLOSED')
  running.end()
  ahead.end()
  t.is(await running.done, running.path)
  await closing
  t.is(workers.threads, 0)
  t.is(((await failureOf(() => workers.run('sum', { numbers: [] }))) as SyncError).code, 'CLOSED')
  t.is(((await failureOf(() => workers.room())) as SyncError).code, 'CLOSED')
})

test('threads without work end after a while, and start again', async (t) => {
  const workers = open(t, { idleMs: 1 })
  await workers.run('sum', { numbers: [1] })
  await until(() => workers.threads === 0, { what: 'the end of an idle thread' })
  t.is(await workers.run('sum', { numbers: [2] }), 2)
})

test('a thread with a lane does not end while it is idle', async (t) => {
  const workers = open(t, { idleMs: 1, threadsMax: 1 })
  await workers.run('sum', { numbers: [1] })
  const lane = workers.lane()
  const beganMs = performance.now()
  await until(() => performance.now() - beganMs > 50, { what: 'a time in which others end' })
  t.is(await lane.run('sum', { numbers: [2] }), 2)
  lane.release()
  await until(() => workers.threads === 0, { what: 'its end after that' })
})

test('a job that arrives as a thread ends runs on another', async (t) => {
  const workers = open(t, { idleMs: 1, threadsMax: 1 })
  let sum = 0
  for (let i = 0; i < 50; i++) {
    sum += await workers.run('sum', { numbers: [1] })
    // Its timer is older, so that it ends before this is over, and not much before.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.is(sum, 50)
})

test('threads keep a process alive while they work alone', async (t) => {
  const script = `
    const { Workers } = await import(${JSON.stringify(new URL('../../../src/disk/threads/workers.js', import.meta.url).href)})
    const workers = new Workers({ entry: new URL(${JSON.stringify(entry.href)}), idleMs: 1e9 })
    workers.run('sum', { numbers: [1, 2] }).then((sum) => console.log(sum))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  t.is(stdout, '3\n')
})

test('the threads of a folder start where the package is', async (t) => {
  const workers = new Workers()
  t.teardown(() => workers.close())
  const refused = (await failureOf(() => workers.run('nothing' as never, undefined as never))) as Error
  t.is(refused.message, 'There is no job nothing')
})
