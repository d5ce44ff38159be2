import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { createProgram } from '../../../src/cli/main.ts'
import { packageRoot, start, startShare } from '../../support/cli.ts'

// Most of the time that a short command takes goes to loading modules: each must load only what it needs.

const key = 'y'.repeat(52)

/** Packages of the network, of watching directories, and of the progress bar: reading a stopped folder needs none. */
const forRunning = ['hyperswarm', 'hyperdht', 'udx-native', 'multicast-dns', 'chokidar', 'cli-progress']
const forLogs = ['hypercore', 'hyperbee', 'corestore', 'hypercore-storage', 'rocksdb-native']

interface Loads {
  readonly packages: readonly string[]
  /** Modules of p2psync, as paths beneath `src`. */
  readonly modules: readonly string[]
}

/** Runs a command, and returns the modules that it loaded. */
async function loadsOf(t: Assert, args: readonly string[], status: number): Promise<Loads> {
  const cwd = await t.tmp()
  const file = join(cwd, 'loads')
  writeFileSync(file, '')
  const hook = join(packageRoot, 'dist/test/support/log-loads.js')
  const env = { NODE_OPTIONS: `--import ${hook}`, P2PSYNC_LOADS: file }
  const command = start(t, args, { cwd, env, bootstrap: 'none' })
  t.is(await command.exit(), status, `p2psync ${args.join(' ')} ends with ${status}`)
  const lines = readFileSync(file, 'utf8').split('\n')
  const packages = lines.flatMap((line) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(line)?.[1] ?? [])
  const modules = lines.flatMap((line) => /\/dist\/src\/(.+)\.js$/.exec(line)?.[1] ?? [])
  return { packages: [...new Set(packages)].sort(), modules: [...new Set(modules)].sort() }
}

const commandModules = ({ modules }: Loads) => modules.filter((name) => name.startsWith('cli/commands/'))

for (const [args, status] of [
  [['--version'], 0],
  [['--help'], 0],
  [[], 2],
  [['shear'], 2]
] as const) {
  test(`p2psync ${args.join(' ')} loads no command, and no package but commander`, async (t) => {
    const loads = await loadsOf(t, args, status)
    t.alike(loads.packages, ['commander'])
    t.alike(commandModules(loads), [])
  })
}

const names = createProgram(() => {}).commands.map((command) => command.name())

test('a usage error of a command loads that command alone, and no package but commander', async (t) => {
  t.ok(names.length > 20, `${names.length} commands`)
  for (const name of names) {
    const loads = await loadsOf(t, [name, '--no-such-option'], 2)
    t.alike(loads.packages, ['commander'], name)
    t.is(commandModules(loads).length, 1, name)
  }
})

for (const [args, status] of [
  [['help', 'clone'], 0],
  [['clone', '--help'], 0],
  [['completion', 'bash'], 0],
  [['ls', 'nowhere'], 10],
  [['status', 'nowhere'], 10]
] as const) {
  test(`p2psync ${args.join(' ')} loads no package but commander`, async (t) => {
    t.alike((await loadsOf(t, args, status)).packages, ['commander'])
  })
}

for (const [args, status] of [
  [['share', 'nowhere'], 10],
  [['scan', 'nowhere'], 10],
  [['clone', 'yyyy', 'new'], 12],
  [['clone', key, '.'], 1],
  [['id'], 0]
] as const) {
  test(`p2psync ${args.join(' ')} loads no package of logs or of running folders`, async (t) => {
    const { packages } = await loadsOf(t, args, status)
    const heavy = packages.filter((name) => [...forLogs, ...forRunning].includes(name))
    t.alike(heavy, [])
  })
}

test('reading a stopped folder loads no package of running folders', async (t) => {
  const folder = await t.tmp()
  writeFileSync(join(folder, 'file'), 'content')
  const share = await startShare(t, folder, { bootstrap: 'none' })
  await share.event('up-to-date')
  await share.kill('SIGTERM')
  for (const args of [
    ['status', folder],
    ['ls', folder],
    ['log', folder],
    ['cat', folder, 'file']
  ]) {
    const { packages } = await loadsOf(t, args, 0)
    t.ok(packages.includes('rocksdb-native'), 'the packages of logs show')
    const heavy = packages.filter((name) => forRunning.includes(name))
    t.alike(heavy, [], args[0])
  }
})

test('a folder without DHT and LAN loads neither', async (t) => {
  const { packages } = await loadsOf(
    t,
    ['clone', key, 'mirror', '--once', '--timeout', '1s', '--bootstrap', 'none', '--no-lan'],
    13
  )
  t.ok(packages.includes('hypercore-storage'), 'the packages of logs show')
  const absent = packages.filter((name) => ['hyperdht', 'hyperswarm', 'multicast-dns'].includes(name))
  t.alike(absent, [])
})
