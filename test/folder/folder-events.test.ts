import { test } from 'brittle'
import { FolderEvents } from '../../src/folder/folder-events.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { codeOf } from '../support/failure.ts'

function notice(message: string): SyncEvent {
  return { type: 'notice', message }
}

function progress(files: number): SyncEvent {
  return { type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 }
}

async function rest(iterator: AsyncIterator<SyncEvent>): Promise<SyncEvent[]> {
  const events: SyncEvent[] = []
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) events.push(next.value)
  return events
}

test('an iteration yields every event from its start to the end', async (t) => {
  const monitor = new Monitor()
  const events = new FolderEvents(monitor)
  monitor.emit(notice('before'))
  const iterator = events[Symbol.asyncIterator]()
  const first = iterator.next()
  monitor.emit(notice('a'))
  monitor.emit(notice('b'))
  t.alike(await first, { done: false, value: notice('a') })
  events.end()
  monitor.emit(notice('c'))
  t.alike(await rest(iterator), [notice('b'), notice('c')], 'what came before it was asked for is not lost')
  t.alike(await rest(events[Symbol.asyncIterator]()), [], 'one that begins later is over at once')
})

test('an iteration that waits ends with the folder', async (t) => {
  const events = new FolderEvents(new Monitor())
  const waiting = events[Symbol.asyncIterator]().next()
  events.end()
  t.is((await waiting).done, true)
})

test('an iteration that is slower than events gets the last of each run of progress', async (t) => {
  const monitor = new Monitor()
  const events = new FolderEvents(monitor)
  const iterator = events[Symbol.asyncIterator]()
  for (const event of [progress(1), progress(2), notice('a'), progress(3), progress(4)]) monitor.emit(event)
  events.end()
  t.alike(await rest(iterator), [progress(2), notice('a'), progress(4)])
})

test('beyond 10,000 events that wait the oldest are dropped', async (t) => {
  const monitor = new Monitor()
  const events = new FolderEvents(monitor)
  const iterator = events[Symbol.asyncIterator]()
  for (let i = 0; i <= 10_000; i++) monitor.emit(notice(String(i)))
  events.end()
  const kept = await rest(iterator)
  t.is(kept.length, 10_000)
  t.alike(kept[0], notice('1'))
})

test('an iteration that is left hears no more', async (t) => {
  const monitor = new Monitor()
  const events = new FolderEvents(monitor)
  const iterator = events[Symbol.asyncIterator]()
  await iterator.return?.()
  monitor.emit(notice('late'))
  events.end()
  t.alike(await rest(iterator), [])
})

test('the next event of a kind is awaited, or the end', async (t) => {
  const monitor = new Monitor()
  const events = new FolderEvents(monitor)
  const next = events.next(({ type }) => type === 'in-sync')
  let isSeen = false
  next.then(() => {
    isSeen = true
  })
  monitor.emit(notice('other'))
  await new Promise<void>((resolve) => setImmediate(resolve))
  t.absent(isSeen)
  monitor.emit({ type: 'in-sync', version: 1, fork: 0 })
  await next
  const late = codeOf(() => events.next(() => true))
  events.end()
  t.is(await late, 'CLOSED')
  t.is(await codeOf(() => events.next(() => true)), 'CLOSED', 'also after the end')
})
