import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { Check } from '../../../src/index.ts'
import { type Command, type StartOptions, start, startShare } from '../../support/cli.ts'
import { noLoopDevices, smallDisk } from '../../support/loop-device.ts'
import { type Host, namespaceTest, openLan, openNat } from '../../support/namespaces.ts'
import { memoryDisk, oddTest } from '../../support/odd-file-system.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const offline = ['--no-lan', '--bootstrap', 'none']

const names = [
  'udp',
  'dht',
  'nat',
  'multicast',
  'tcp-port',
  'tcp-congestion',
  'file-system',
  'space',
  'notifications',
  'node',
  'memory'
]

interface Diagnosis {
  readonly status: number
  readonly checks: readonly Check[]
  readonly of: (name: string) => Check
  readonly summary: { readonly ok: number; readonly warnings: number; readonly failures: number }
}

async function diagnosis(t: Assert, args: readonly string[], options: StartOptions = {}): Promise<Diagnosis> {
  const command = start(t, ['doctor', '--json', ...args], options)
  const status = await command.exit()
  t.is(command.stderr, '')
  const lines = command.stdout.trim().split('\n')
  const records = lines.map((line) => JSON.parse(line) as Check & { readonly type: string })
  const checks = records.filter(({ type }) => type === 'check')
  const summary = records.at(-1) as unknown as Diagnosis['summary'] & { readonly type: string }
  t.is(summary.type, 'summary')
  t.is(checks.length, records.length - 1)
  const of = (name: string) => {
    const found = checks.find((check) => check.name === name)
    if (found === undefined) throw new Error(`No check ${name}`)
    return found
  }
  return { status, checks, of, summary }
}

function count(checks: readonly Check[], state: Check['state']): number {
  return checks.filter((check) => check.state === state).length
}

function isFinding(t: Assert, { name, state, message, advice }: Check, wanted: Check['state'], text: RegExp): void {
  t.is(state, wanted, `${name}: ${message}`)
  matches(t, advice === undefined ? message : `${message} → ${advice}`, text)
}

test('doctor prints each check in order, then a summary', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const cwd = await t.tmp()
  const { status, checks, of, summary } = await diagnosis(t, ['--no-lan'], { bootstrap, cwd })
  t.alike(
    checks.map(({ name }) => name),
    [...names, 'clock']
  )
  t.is(status, 0)
  t.alike(summary, { type: 'summary', ok: count(checks, 'ok'), warnings: count(checks, 'warning'), failures: 0 })
  for (const check of checks) {
    t.ok(check.message.length > 0, check.name)
    t.alike(
      Object.keys(check).filter((key) => !['type', 'name', 'state', 'message', 'advice'].includes(key)),
      []
    )
  }
  isFinding(t, of('udp'), 'ok', /leave from 127\.0\.0\.1/)
  isFinding(t, of('dht'), 'ok', /^private, reached in \d+ ms$/)
  isFinding(t, of('nat'), 'ok', /^none on the way/)
  t.is(of('multicast').message, 'off')
  t.alike(readdirSync(cwd), [], 'the checks leave no files behind')
})

test('doctor prints a table', async (t) => {
  const command = start(t, ['doctor', '--no-lan'])
  t.is(await command.exit(), 1)
  const rows = command.stdout.split('\n')
  const table = rows.slice(0, rows.indexOf(''))
  t.ok(table.length > names.length)
  for (const row of table) t.ok(/^((ok|warning|failure) +[a-z-]+ +| {25}→ )\S/.test(row), row)
  t.alike(
    table.filter((row) => !row.startsWith(' ')).map((row) => row.slice(9, 25).trim()),
    [...names, 'clock']
  )
  matches(t, command.stdout, /^failure {2}dht .*127\.0\.0\.1:9\n {25}→ is p2psync bootstrap running there/m)
  matches(t, command.stdout, /\n\n1 failure, \d+ warnings?\n$/)
})

namespaceTest('doctor reports a machine without a network', async (t) => {
  const [host] = openLan(t, 1) as [Host]
  host.run('ip', 'link', 'delete', 'eth0')
  const { status, of, summary } = await diagnosis(t, [], { host, bootstrap: '10.77.0.1:49737,nas.invalid:49737' })
  t.is(status, 1)
  t.is(summary.failures, 2)
  isFinding(t, of('udp'), 'failure', /no route out.*→ connect this machine/)
  isFinding(t, of('dht'), 'failure', /none of .*10\.77\.0\.1:49737, nas\.invalid:49737.*→ is p2psync bootstrap running/)
  isFinding(t, of('nat'), 'warning', /not known/)
  isFinding(t, of('multicast'), 'warning', /no network but loopback/)

  const without = await diagnosis(t, [], { host, bootstrap: 'none' })
  isFinding(t, without.of('udp'), 'warning', /no route out/)
  isFinding(t, without.of('multicast'), 'failure', /no network but loopback.*→/)
  t.is(without.of('dht').message, 'off')
})

namespaceTest('doctor finds no problem on a local network with a private DHT', async (t) => {
  const [nas, laptop] = openLan(t, 2) as [Host, Host]
  const dht = start(t, ['bootstrap'], { host: nas })
  await until(() => dht.stdout.includes('10.77.0.1:49737'), { what: 'the DHT' })
  // A new IPv6 address is unusable while the system looks for duplicates.
  await until(() => !laptop.run('ip', 'address').includes('tentative'), { what: 'the addresses' })
  const options = { host: laptop, bootstrap: '10.77.0.1:49737' }
  const { status, of } = await diagnosis(t, [], options)
  t.is(status, 0)
  isFinding(t, of('udp'), 'ok', /leave from 10\.77\.0\.2/)
  isFinding(t, of('dht'), 'ok', /^private, reached/)
  // The check needs more nodes than the first one, and each must be reachable from outside.
  isFinding(t, of('nat'), 'ok', /others see 10\.77\.0\.2:\d+, which is this machine's own/)
  isFinding(t, of('multicast'), 'ok', /works on eth0 \(10\.77\.0\.2\)/)

  const quiet = await diagnosis(t, [], { ...options, env: { P2PSYNC_NO_LAN: '1' } })
  t.is(quiet.of('multicast').message, 'off')
})

test('a TCP port in use is a failure, and the message names its process', async (t) => {
  const server = createServer().listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { status, of } = await diagnosis(t, [...offline, '--port', String(port)])
  t.is(status, 1)
  isFinding(t, of('tcp-port'), 'failure', new RegExp(`${port} is in use by process ${process.pid} .*→ end it`))
})

test('doctor reads the store of a folder, and changes nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  writeFileSync(join(root, 'a/file'), 'content')
  const share = await startShare(t, root, { bootstrap })
  await share.event('up-to-date')
  const from = share.events.length

  const during = await diagnosis(t, [...offline, root])
  isFinding(t, during.of('store'), 'ok', /in use by a running p2psync/)
  isFinding(t, during.of('notifications'), 'ok', /this one has 3 directories/)
  isFinding(t, (await diagnosis(t, [...offline, join(root, 'a')])).of('file-system'), 'ok', /./)
  await publishesNothingBut(t, share, from, join(root, 'a/other'))
  await share.kill('SIGTERM')

  const before = contentsOf(root)
  const after = await diagnosis(t, [...offline, root])
  isFinding(t, after.of('store'), 'ok', /can be read; its latest version is \d+, made at 20/)
  isFinding(t, (await diagnosis(t, [...offline, join(root, 'a')])).of('store'), 'ok', /no folder of p2psync/)
  t.alike(contentsOf(root), before)
  t.is((await startShare(t, root, { bootstrap })).key, share.key)
})

test('a damaged store is a failure', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const root = await t.tmp()
  writeFileSync(join(root, 'file'), 'content')
  const share = await startShare(t, root, { bootstrap })
  await share.event('up-to-date')
  await share.kill('SIGTERM')
  const db = join(root, '.p2psync/store/db')
  for (const name of readdirSync(db).filter((each) => each.endsWith('.sst'))) {
    const bytes = readFileSync(join(db, name))
    writeFileSync(join(db, name), bytes.fill(0x55, 0, Math.floor(bytes.length / 2)))
  }
  const { status, of } = await diagnosis(t, [...offline, root])
  t.is(status, 1)
  isFinding(t, of('store'), 'failure', /The store .* is damaged: .*→ the files are untouched\. Restore \.p2psync/)
})

test('doctor warns of a clock that was set back', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const root = await t.tmp()
  const share = await startShare(t, root, { bootstrap })
  await share.kill('SIGTERM')
  isFinding(t, (await diagnosis(t, [...offline, root])).of('clock'), 'ok', /^20\d\d-/)
  const later = Date.now() / 1000 + 7200
  utimesSync(join(root, '.p2psync/lock'), later, later)
  isFinding(t, (await diagnosis(t, [...offline, root])).of('clock'), 'warning', /but p2psync wrote here at/)
})

test('a full disk is a warning', { skip: noLoopDevices !== false }, async (t) => {
  const disk = await smallDisk(t, 16)
  disk.fill(0)
  const { status, of } = await diagnosis(t, [...offline, disk.path])
  t.is(status, 0)
  isFinding(t, of('space'), 'warning', new RegExp(`^\\d+ MB of 1\\d MB free on the disk of ${disk.path} → free some`))
})

oddTest('a disk that does not answer does not block the other checks', 'memory', async (t) => {
  const root = await memoryDisk(t, {})
  const server = serverOf(root)
  process.kill(server, 'SIGSTOP')
  // Without its server, the disk could not be unmounted.
  const { status, of, checks } = await diagnosis(t, [...offline, root]).finally(() => process.kill(server, 'SIGCONT'))
  t.is(status, 1)
  isFinding(t, of('file-system'), 'failure', new RegExp(`disk of ${root} does not answer → is it a network disk`))
  t.is(checks.length, names.length - 1, 'the other checks run')
})

for (const [kind, state, text] of [
  ['port-restricted', 'ok', /^easy: all others see one address, 10\.1\.0\.11:\d+/],
  ['symmetric', 'warning', /^hard: each peer sees another port of 10\.1\.0\.11.*→ forward a TCP port/]
] as const) {
  namespaceTest(`a ${kind} NAT is recognized by its ports`, async (t) => {
    const { outside, inside } = openNat(t, { kind: [kind, 'none'] })
    const dht = start(t, ['bootstrap'], { host: outside })
    await until(() => dht.stdout.includes('10.1.0.1:49737'), { what: 'the DHT' })
    const { of } = await diagnosis(t, ['--no-lan'], { host: inside[0], bootstrap: '10.1.0.1:49737' })
    isFinding(t, of('nat'), state, text)
  })
}

/** Arguments, the exit status, and the message. */
const mistakes: ReadonlyArray<[args: readonly string[], status: number, says: RegExp]> = [
  [['yyyy'], 12, /has 4 characters.*nor is there a directory.*\[BAD_KEY\]\n$/],
  [['./nowhere'], 10, /no directory .*nowhere \[FOLDER_MISSING\]\n$/],
  [['file'], 10, /file is not a directory/],
  [['--port', '70000'], 2, /Give a port from 1 to 65535/],
  [['--bootstrap', 'host'], 2, /is not host:port/]
]
for (const [args, status, message] of mistakes) {
  test(`doctor refuses ${args.join(' ')}`, async (t) => {
    const cwd = await t.tmp()
    writeFileSync(join(cwd, 'file'), '')
    const command = start(t, ['doctor', '--no-lan', ...args], { cwd, bootstrap: 'none' })
    t.is(await command.exit(), status)
    matches(t, command.stderr, message)
    t.is(command.stdout, '', 'before the first check')
  })
}

/** Publishes a change, and checks that nothing was published before it. */
async function publishesNothingBut(t: Assert, share: Command, from: number, path: string): Promise<void> {
  writeFileSync(path, 'more')
  // An earlier version would lack the file.
  t.is((await share.event('published', () => true, from)).files, 2)
}

/** The process that serves the file system mounted at `root`. */
function serverOf(root: string): number {
  const found = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
      return args.includes(root) && args.some((arg) => arg.endsWith('fuse-server.js'))
    } catch {
      return false // The process has ended meanwhile.
    }
  })
  if (found === undefined) throw new Error(`No process serves ${root}`)
  return Number(found)
}

/** All entries of a folder, with times and hashes; without the time of `.p2psync`, which its lock changes. */
function contentsOf(root: string): readonly string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return ['.', ...names.filter((name) => name !== '.p2psync')].map((name) => {
    const stats = statSync(join(root, name))
    const hash = stats.isFile()
      ? createHash('sha256')
          .update(readFileSync(join(root, name)))
          .digest('hex')
      : ''
    return `${name} ${hash} ${stats.mtimeMs}`
  })
}

test('doctor finds the peers of a key, or reports that there are none', async (t) => {
  const source = await t.tmp()
  const writer = await startShare(t, source, { bootstrap: 'none' })
  const report = await diagnosis(t, [writer.key, ...offline])
  t.is(report.of('peers').state, 'ok')
  matches(t, report.of('peers').message, /^127\.0\.0\.1:\d+ by TCP, [\d.]+ ms away$/)
  await writer.kill('SIGTERM')
  const { status, of } = await diagnosis(t, [writer.key, ...offline])
  t.is(status, 1)
  t.is(of('peers').state, 'failure')
  matches(t, of('peers').advice ?? '', /DHT is off/)
})
