import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { bytesOf } from '../support/bytes.ts'
import { observe } from '../support/observe.ts'
import { seal } from '../support/sealed.ts'
import { until } from '../support/until.ts'

test('the observer reports only content that is torn, was never published, or is gone', async (t) => {
  const home = await t.tmp()
  const published = join(home, 'published')
  const mirror = join(home, 'mirror')
  mkdirSync(join(mirror, 'steady'), { recursive: true })
  writeFileSync(published, 'steady\tdirectory\nsteady/a\ta 1\nb\tb 1\n')
  writeFileSync(join(mirror, 'steady/a'), seal('a 1', bytesOf(5000)))
  const { violations, end } = observe(t, mirror, published)
  const reports = (what: RegExp) =>
    until(() => violations.some((line) => what.test(line)), { what: `${what} among ${violations}` })

  writeFileSync(join(mirror, 'b'), seal('b 1', bytesOf(300_000)).subarray(0, -1))
  await reports(/"b".*torn/)
  writeFileSync(join(mirror, 'steady/a'), seal('b 1', bytesOf(100)))
  await reports(/"steady\/a".*never published/)
  writeFileSync(join(mirror, 'c'), seal('b 1', bytesOf(100)))
  await reports(/"c".*never published/)
  rmSync(join(mirror, 'steady/a'))
  await reports(/"steady\/a".*is gone/)
  const { rounds } = await end()
  t.ok(rounds > 0)
  const paths = violations.map((line) => (JSON.parse(line) as { path: string }).path)
  t.alike([...new Set(paths)].sort(), ['b', 'c', 'steady/a'])
})
