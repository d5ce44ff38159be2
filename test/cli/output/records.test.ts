import { test } from 'brittle'
import { exitStatus } from '../../../src/cli/output/exit-status.ts'
import { printRecords } from '../../../src/cli/output/records.ts'

type Numbered =
  | { readonly type: 'number' }
  | { readonly type: 'problem'; readonly path: string; readonly message: string }

async function* recordsOf(...records: readonly Numbered[]): AsyncGenerator<Numbered> {
  yield* records
}

test('a problem with a path makes the exit status partial, and is not passed on', async (t) => {
  const seen: string[] = []
  const linesOf = ({ type }: Numbered) => {
    seen.push(type)
    return {}
  }
  const one: Numbered = { type: 'number' }
  t.is(await printRecords(recordsOf(one), false, linesOf), exitStatus.ok)
  const bad: Numbered = { type: 'problem', path: 'a test of problems', message: 'is expected here' }
  t.is(await printRecords(recordsOf(one, bad, one), false, linesOf), exitStatus.partial)
  t.alike(seen, ['number', 'number', 'number'])
})
