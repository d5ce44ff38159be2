import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { Command, packageRoot } from '../../support/cli.ts'
import { says } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

test('the examples share a directory and clone it', async (t) => {
  const { text } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), 'content')
  const example = (name: string) => join(packageRoot, `dist/examples/${name}.js`)

  const writer = new Command(t, example('share'), [source, text])
  await until(() => /key .*\n/.test(writer.stdout) && /version/.test(writer.stdout), { what: 'the key', ms: 30_000 })
  const key = /key (.*)\n/.exec(writer.stdout)?.[1] ?? ''
  const reader = new Command(t, example('clone'), [key, mirror, text])
  t.is(await reader.exit(), 0)
  says(t, reader.stdout, /^version \d+: 1 files\n$/)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'content')
  writeFileSync(join(source, 'file'), 'content that is new')
  await until(() => writer.stdout.match(/^version/gm)?.length === 2, { what: 'the second version', ms: 30_000 })
  for (const where of [key, source]) {
    const history = new Command(t, example('history'), [where, 'file', text])
    t.is(await history.exit(), 0)
    says(t, history.stdout, /^version \d+, .*\n {2}changed file\nversion \d+, .*\n {2}added file\ncontent\n?$/)
  }
  t.is(await writer.kill('SIGTERM'), 0)
})
