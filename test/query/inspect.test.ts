import { test } from 'brittle'
import { inspect } from '../../src/query/inspect.ts'
import { directoryOf } from '../support/entries.ts'
import { commit } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'

const { signal } = new AbortController()

test('shows blocks of the log from the one to the other, the last 20 when none is named', async (t) => {
  const { writer, source } = await openLogSource(t)
  for (let i = 0; i < 15; i++) await commit(writer, { [`d${i}`]: directoryOf() })
  const length = writer.version?.length ?? 0
  const seqs = async (params: Parameters<typeof inspect>[1]) =>
    (await collectAll(inspect(source, params, signal))).map(({ seq }) => seq)
  const last = await seqs({})
  t.alike([last.length, last.at(-1)], [20, length - 1])
  t.alike(await seqs({ from: 2, to: 4 }), [2, 3])
  t.alike(await seqs({ from: -2 }), [length - 2, length - 1])
  t.alike(await seqs({ from: -2, to: 999 }), [length - 2, length - 1])
  const [record] = await collectAll(inspect(source, { from: 1, to: 2 }, signal))
  t.alike([record?.type, record?.op, record?.key], ['record', 'put', 'd0'])
})

test('an empty log has no blocks to show', async (t) => {
  const { source } = await openLogSource(t)
  t.alike(await collectAll(inspect(source, {}, signal)), [])
})
