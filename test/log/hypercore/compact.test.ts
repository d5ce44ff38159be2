import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { openStore } from '../../support/log.ts'

const [count, length] = [400, 50_000]

for (const [name, spareBytes] of [
  ['all at once', Number.POSITIVE_INFINITY],
  ['a little at a time', 1]
] as const) {
  test(`the space of what was cleared is given back, ${name}`, async (t) => {
    const store = await openStore(t)
    const core = await store.named('content')
    for (let i = 0; i < count; i += 20)
      await core.append(Array.from({ length: 20 }, (_, j) => bytesOf(length, 2 * (i + j) + 1)))
    for (let i = 0; i < count; i++) if (i % 4 !== 0) await core.clear(i)
    await store.flush()
    const du = () => Number(spawnSync('du', ['-sB1', store.directory], { encoding: 'utf8' }).stdout.split('\t')[0])
    const before = du()
    const garbage = (count * length * 3) / 4
    const work = store.compact({ spareBytes })
    // Others go on meanwhile.
    await core.append(bytesOf(length, 1000))
    await work
    t.ok(before - du() >= 0.9 * garbage, `${before - du()} given back of ${garbage} bytes`)
    for (let i = 0; i < count; i += 4) {
      if (!(await core.get(i))?.equals(bytesOf(length, 2 * i + 1))) t.fail(`block ${i}`)
    }
    t.ok((await core.get(count))?.equals(bytesOf(length, 1000)))
  })
}

test('an aborted compaction does not begin', async (t) => {
  const store = await openStore(t, join(await t.tmp(), 'store'))
  await t.exception(() => store.compact({ signal: AbortSignal.abort(new Error('enough')) }), /enough/)
})
