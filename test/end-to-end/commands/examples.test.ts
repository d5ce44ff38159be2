import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { Command, packageRoot } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** What a program starts with. */
const entryPoints = ['share', 'clone', 'bootstrap', 'openLog']

test('each entry point of the API has an example', (t) => {
  const directory = join(packageRoot, 'examples')
  const imports = readdirSync(directory).flatMap((name) => {
    const [, names = ''] = /^import \{ (.+) \} from 'p2psync'$/m.exec(readFileSync(join(directory, name), 'utf8')) ?? []
    return names.split(', ')
  })
  t.alike(
    entryPoints.filter((name) => !imports.includes(name)),
    []
  )
})

test('the examples share a directory and clone it by a DHT of their own', async (t) => {
  const example = (name: string) => join(packageRoot, `dist/examples/${name}.js`)
  const port = await freeUdpPorts(5)
  const dht = new Command(t, example('bootstrap'), ['127.0.0.1', String(port)])
  const node = `127.0.0.1:${port}`
  await until(() => dht.stdout === `${node}\n`, { what: 'the address' })

  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), 'content')
  const writer = new Command(t, example('share'), [source, node])
  await until(() => /key .*\n/.test(writer.stdout) && /version/.test(writer.stdout), { what: 'the key' })
  const key = /key (.*)\n/.exec(writer.stdout)?.[1] ?? ''
  const reader = new Command(t, example('clone'), [key, mirror, node])
  t.is(await reader.exit(), 0)
  matches(t, reader.stdout, /^version \d+: 1 files\n$/)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'content')
  writeFileSync(join(source, 'file'), 'content that is new')
  await until(() => writer.stdout.match(/^version/gm)?.length === 2, { what: 'the second version' })
  for (const where of [key, source]) {
    const history = new Command(t, example('history'), [where, 'file', node])
    t.is(await history.exit(), 0)
    matches(t, history.stdout, /^version \d+, .*\n {2}changed file\nversion \d+, .*\n {2}added file\ncontent\n?$/)
  }
  t.is(await writer.kill('SIGTERM'), 0)
  t.is(await dht.kill('SIGTERM'), 0)
})
