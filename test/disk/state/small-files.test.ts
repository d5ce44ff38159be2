import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { takeLock } from '../../../src/disk/path/lock.ts'
import { PathIndexFile } from '../../../src/disk/state/index-file.ts'
import { readLimits, writeLimits } from '../../../src/disk/state/limits-file.ts'
import { isPaused, setPaused } from '../../../src/disk/state/pause-file.ts'
import { readRetention, writeRetention } from '../../../src/disk/state/retention-file.ts'
import { changeSelection, readSelection, type SelectionRecord } from '../../../src/disk/state/selection-file.ts'
import { failureOf } from '../../support/failure.ts'

const damaged = ['', '{', 'null', '[]', '{}', '{"format":2}']

test('limits read back as written, and each may be absent', async (t) => {
  const home = await t.tmp()
  t.is(readLimits(home), undefined)
  for (const limits of [{ up: 1, down: 2 }, { up: 0.5 }, { down: 3 }, {}]) {
    writeLimits(home, limits)
    t.alike(readLimits(home), limits)
  }
  t.alike(readdirSync(home), ['limits.json'])
  writeFileSync(join(home, 'limits.json'), '{"format":1,"up":5,"later":true}')
  t.alike(readLimits(home), { up: 5 }, 'it skips unknown fields')
})

test('a damaged limits file is refused', async (t) => {
  const home = await t.tmp()
  for (const text of [...damaged, '{"format":1,"up":0}', '{"format":1,"down":"9"}']) {
    writeFileSync(join(home, 'limits.json'), text)
    t.ok((await failureOf(() => readLimits(home))) instanceof RangeError, text)
  }
})

test('a retention reads back as written, and a damaged one is refused', async (t) => {
  const home = await t.tmp()
  t.is(readRetention(home), undefined)
  for (const retention of [{ ms: 0, bytes: 7 }, { ms: 1 }, { bytes: 0 }, {}]) {
    writeRetention(home, retention)
    t.alike(readRetention(home), retention)
  }
  for (const text of [...damaged, '{"format":1,"ms":-1}', '{"format":1,"bytes":"9"}']) {
    writeFileSync(join(home, 'keep-replaced.json'), text)
    t.ok((await failureOf(() => readRetention(home))) instanceof RangeError, text)
  }
})

test('a pause lasts until it is taken back', async (t) => {
  const home = await t.tmp()
  t.is(isPaused(home), false)
  setPaused(home, true)
  setPaused(home, true)
  t.is(isPaused(home), true)
  setPaused(home, false)
  setPaused(home, false)
  t.is(isPaused(home), false)
})

test('a selection reads back as written, for each way to name a version', async (t) => {
  const home = await t.tmp()
  t.is(readSelection(home), undefined)
  const part = { only: ['docs/'], exclude: ['*.tmp'] }
  const found = { length: 12, timeMs: -5 }
  const records: SelectionRecord[] = [
    part,
    { ...part, version: { by: 'number', number: 3 } },
    { ...part, version: { by: 'back', count: 1 }, found },
    { ...part, version: { by: 'time', timeMs: 0 }, found }
  ]
  for (const record of records) {
    await changeSelection(home, () => record)
    t.alike(readSelection(home), record)
  }
  await changeSelection(home, (read) => {
    t.alike(read(), records.at(-1))
    return undefined
  })
  t.alike(readSelection(home), records.at(-1), 'no new record leaves the file')
})

test('a damaged selection is refused, and a failed change releases the lock', async (t) => {
  const home = await t.tmp()
  const bad = ['{"format":1,"only":[]}', '{"format":1,"only":[1],"exclude":[]}']
  bad.push('{"format":1,"only":[],"exclude":[],"version":{"by":"back","count":0}}')
  for (const text of [...damaged, ...bad]) {
    writeFileSync(join(home, 'selection.json'), text)
    t.ok((await failureOf(() => readSelection(home))) instanceof RangeError, text)
    t.ok((await failureOf(() => changeSelection(home, (read) => read()))) instanceof RangeError)
  }
  await changeSelection(home, () => ({ only: [], exclude: [] }))
  t.alike(readSelection(home), { only: [], exclude: [] })
})

test('a change of the selection waits for the lock', async (t) => {
  const home = await t.tmp()
  const lock = takeLock(join(home, 'selection.lock'), 'The selection')
  const order: string[] = []
  const change = changeSelection(home, () => {
    order.push('changed')
    return undefined
  })
  order.push('released')
  lock.release()
  await change
  t.alike(order, ['released', 'changed'])
})

test('the path index reads back its parts, and ignores errors', async (t) => {
  const home = await t.tmp()
  const file = new PathIndexFile(home)
  t.is(file.read(), undefined)
  const parts = Array.from({ length: 600 }, (_, i) => Buffer.from(`${i};`))
  file.write(parts)
  t.alike(Buffer.from(file.read() ?? []), Buffer.concat(parts))
  t.alike(readdirSync(home), ['path-index'], 'no temporary file stays')

  const missing = new PathIndexFile(join(home, 'missing'))
  missing.write([Buffer.from('new')])
  t.is(missing.read(), undefined, 'errors are ignored')
})
