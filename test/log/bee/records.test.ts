import { test } from 'brittle'
import { encodeEntry } from '../../../src/format/entry-codec.ts'
import { encodeHead, headKey } from '../../../src/format/head-codec.ts'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { type LogRecord, recordsOf } from '../../../src/log/bee/records.ts'
import { directoryOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { headOf, openStore } from '../../support/log.ts'

test('records are the blocks of a log, with their faults', async (t) => {
  const core = await (await openStore(t)).named('entries')
  const bee = beeOf(core)
  await bee.ready()
  const entry = encodeEntry(directoryOf())
  const head = encodeHead(headOf({ directories: 1 }))
  const batch = bee.batch()
  await batch.put(Buffer.from('d'), entry)
  await batch.put(Buffer.from('../bad'), Buffer.from('garbage'))
  await batch.del(Buffer.from('d'))
  await batch.put(Buffer.from(headKey), head)
  await batch.flush()
  const records: LogRecord[] = []
  for await (const record of recordsOf(core, 1, core.length)) records.push(record)
  t.alike(
    records.map(({ seq, op, key, valueBytes }) => [seq, op, key, valueBytes]),
    [
      [1, 'put', 'd', entry.length],
      [2, 'put', '../bad', 7],
      [3, 'remove', 'd', 0],
      [4, 'put', headKey, head.length]
    ]
  )
  t.alike(records[0]?.entry, directoryOf())
  t.is(records[1]?.entry, undefined)
  t.ok(records[1]?.fault)
  t.alike(records[3]?.head, headOf({ directories: 1 }))
  t.alike(
    records.map(({ nodes }) => nodes),
    [0, 0, 0, 1]
  )
  await core.clear(2)
  const missing = await failureOf(async () => {
    for await (const _ of recordsOf(core, 1, core.length));
  })
  t.ok(missing instanceof RangeError, 'a block that is missing is an error')
})
