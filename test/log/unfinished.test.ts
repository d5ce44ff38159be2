import { test } from 'brittle'
import type { Entry } from '../../src/tree/entry.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { commit, headOf, link, openReader, openWriter } from '../support/log.ts'
import { until } from '../support/until.ts'

const many = 5500

function manyChanges(): Map<TreePath, Entry> {
  const changes = new Map<TreePath, Entry>()
  for (let i = 0; i < many; i++) changes.set(pathOf(`d${i}`), directoryOf())
  return changes
}

test('many changes are one version in several batches', async (t) => {
  const { store, writer } = await openWriter(t)
  const { store: own, reader } = await openReader(t, writer.key)
  const first = await commit(writer, { a: directoryOf() })
  let batches = 0
  await link(t, store, own)
  reader.onChange(() => batches++)
  const numbers = { puts: many, directories: many + 1 }
  const second = await writer.commit(manyChanges(), headOf(numbers))
  const { signal } = new AbortController()
  await until(() => reader.version?.length === second.length, { what: 'the log' })
  await reader.fetch(second, signal)

  const head = await reader.head(second)
  t.alike(
    head,
    headOf({ ...numbers, before: first.length, contentLength: head.contentLength, deltas: head.deltas ?? [] })
  )
  t.alike(await reader.finished(second), second)
  t.alike(await reader.finished(first), first)
  let entries = 0
  for await (const _ of reader.entriesAt(second, () => t.fail('a problem'))) entries++
  t.is(entries, many + 1)

  // If the log ends within it, as after a kill, the version before it is the latest.
  const within = { fork: 0, length: first.length + 5001 }
  t.is((await reader.head(within)).unfinished, true)
  t.alike(await reader.finished(within), first)
  await reader.close()
})

test('the next batch finishes an interrupted version', async (t) => {
  const { writer } = await openWriter(t)
  const nothing = await commit(writer, { a: directoryOf() }, { unfinished: true })
  t.is((await writer.head())?.before, 0)
  await commit(writer, { b: directoryOf() })
  t.alike(await writer.head(), headOf({ before: 0 }), 'there was no version before it')
  const { length } = await commit(writer, { c: directoryOf() }, { unfinished: true })
  await commit(writer, { d: directoryOf() }, { unfinished: true })
  await commit(writer, { e: directoryOf() })
  t.ok(nothing.length < length)
  t.is((await writer.head())?.before, length - 2, 'the last whole one')
})
