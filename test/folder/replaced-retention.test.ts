import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { retentionIn } from '../../src/folder/replaced-retention.ts'

test('a retention is stored, and counts until another is given', async (t) => {
  const home = await t.tmp()
  const notices: string[] = []
  const retention = (given?: { ms?: number; bytes?: number }) => retentionIn(home, given, (it) => notices.push(it))
  t.alike(retention(), {}, 'the default')
  t.alike(retention({ ms: 5 }), { ms: 5 })
  t.alike(retention(), { ms: 5 })
  t.alike(retention({ bytes: 7 }), { bytes: 7 })
  t.alike(retention(), { bytes: 7 })
  t.alike(notices, [])
})

test('everything is kept while the stored retention is damaged', async (t) => {
  const home = await t.tmp()
  writeFileSync(join(home, 'keep-replaced.json'), '{"format":1,"ms":')
  const notices: string[] = []
  const { ms = 0, bytes = 0 } = retentionIn(home, undefined, (it) => notices.push(it))
  t.ok(ms > 10 * 365 * 24 * 3_600_000 && bytes === Number.MAX_SAFE_INTEGER)
  t.is(notices.length, 1)
  t.alike(
    retentionIn(home, { ms: 1 }, (it) => notices.push(it)),
    { ms: 1 }
  )
  t.alike(
    retentionIn(home, undefined, (it) => notices.push(it)),
    { ms: 1 }
  )
})

test('a retention that can not be stored counts for this run', async (t) => {
  const home = join(await t.tmp(), 'missing')
  const notices: string[] = []
  t.alike(
    retentionIn(home, { ms: 3 }, (it) => notices.push(it)),
    { ms: 3 }
  )
  t.is(notices.length, 1)
})
