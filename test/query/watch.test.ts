import { type Assert, test } from 'brittle'
import type { LogSource } from '../../src/query/log-source.ts'
import { type WatchParams, type WatchRecord, watch } from '../../src/query/watch.ts'
import { directoryOf } from '../support/entries.ts'
import { commit } from '../support/log.ts'
import { openLogSource } from '../support/log-source.ts'
import { until } from '../support/until.ts'

/** A watch that goes on in the background. */
function watching(t: Assert, source: LogSource, params: WatchParams = {}) {
  const stop = new AbortController()
  const records: WatchRecord[] = []
  const ended = (async () => {
    for await (const record of watch(source, params, stop.signal)) records.push(record)
  })()
  ended.catch(() => {})
  t.teardown(
    async () => {
      stop.abort()
      await ended.catch(() => {})
    },
    { order: 0 }
  )
  const texts = () => records.map((record) => ('path' in record ? `${record.type} ${record.path}` : record.type))
  /** Waits for records, and checks that there are no others. */
  const tells = async (...expected: readonly string[]) => {
    await until(() => records.length >= expected.length, { what: expected.join(', ') }).catch(() => {})
    t.alike(texts().splice(0, records.length), expected)
    records.splice(0)
  }
  return { tells, stop, ended, records }
}

test('tells what there is, then each version with its changes', async (t) => {
  const { writer, source, file } = await openLogSource(t)
  const moved = await file('moved')
  await commit(writer, { dir: directoryOf(), old: moved })
  const { tells } = watching(t, source)
  await tells('version', 'entry dir', 'entry old', 'listed')
  await commit(writer, { 'dir/a': await file('a') })
  await commit(writer, { old: undefined, new: moved })
  await tells('version', 'added dir/a', 'version', 'moved new')
  await commit(writer, {})
  await commit(writer, { new: undefined })
  await tells('version', 'removed new')
})

test('tells of a path alone', async (t) => {
  const { writer, source, file } = await openLogSource(t)
  await commit(writer, { dir: directoryOf(), 'dir/a': await file('a'), other: await file('o') })
  const { tells } = watching(t, source, { path: 'dir' })
  await tells('version', 'entry dir', 'entry dir/a', 'listed')
  await commit(writer, { other: undefined })
  await commit(writer, { 'dir/a': undefined })
  await tells('version', 'removed dir/a')
})

test('tells what changed since a version, and no list', async (t) => {
  const { writer, source } = await openLogSource(t)
  const first = await commit(writer, { a: directoryOf() })
  await commit(writer, { b: directoryOf() })
  const { tells } = watching(t, source, { since: String(first.length) })
  await tells('version', 'added b')
})

test('waits for a first version', async (t) => {
  const { writer, source } = await openLogSource(t)
  const { tells } = watching(t, source)
  await commit(writer, { a: directoryOf() })
  await tells('version', 'entry a', 'listed')
})

test('a log that came back with another past is told by what differs', async (t) => {
  const { writer, source } = await openLogSource(t)
  const first = await commit(writer, { kept: directoryOf() })
  await commit(writer, { lost: directoryOf() })
  const { tells } = watching(t, source)
  await tells('version', 'entry kept', 'entry lost', 'listed')
  const cores = writer.cores()
  await cores.entries?.truncate(first.length, { fork: first.fork + 1000 })
  await tells('version', 'rewound', 'removed lost')
})

test('ends with its signal', async (t) => {
  const { writer, source } = await openLogSource(t)
  await commit(writer, { a: directoryOf() })
  const { tells, stop, ended } = watching(t, source)
  await tells('version', 'entry a', 'listed')
  stop.abort(new Error('enough'))
  await t.exception(() => ended, /enough/)
})
