import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import type { Address } from '../../../src/net/address/address.ts'
import { SameMachine, type SameMachineOptions } from '../../../src/net/lan/same-machine.ts'
import { until } from '../../support/until.ts'

const id = '0123456789abcdef0123456789abcdef'
const [keyA, keyB, keyC] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const uid = process.getuid?.() ?? 0
const isRoot = uid === 0

/** A peer in this process, with its reports. */
function open(t: Assert, runtimeDirectory: string, publicKey: string, options: Partial<SameMachineOptions> = {}) {
  const reports: [publicKey: string, addresses: readonly Address[]][] = []
  const peer = new SameMachine({
    id,
    publicKey,
    port: 4000,
    runtimeDirectory,
    onPeer: (...report) => reports.push(report),
    ...options
  })
  t.teardown(() => peer.close())
  const portOf = (key: string) => reports.findLast(([heard]) => heard === key)?.[1][0]?.port
  const knows = (key: string, port = 4000) => until(() => portOf(key) === port, { what: `${key}; ${peer.unavailable}` })
  const forgets = (key: string) => until(() => portOf(key) === undefined, { what: `${key} to be forgotten` })
  return { peer, reports, knows, forgets }
}

/** A runtime directory with the mode that systems give it. */
async function runtime(t: Assert): Promise<string> {
  const directory = await t.tmp()
  chmodSync(directory, 0o700)
  return directory
}

function recordsOf(runtimeDirectory: string, folder = id): string {
  return join(runtimeDirectory, 'p2psync', folder)
}

function spawnPeer(t: Assert, runtimeDirectory: string, publicKey: string, ...args: readonly string[]): ChildProcess {
  const script = join(import.meta.dirname, '../../support/same-machine-peer.js')
  const child = spawn(process.execPath, [script, id, publicKey, '4001', ...args], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDirectory },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  // A test run that is aborted skips the teardown.
  process.once('exit', () => child.kill('SIGKILL'))
  return child
}

function ended(child: ChildProcess): Promise<boolean> {
  return until(() => child.exitCode !== null || child.signalCode !== null, { what: 'the end of a process' })
}

test('a hidden process finds the others and stays unknown to them', async (t) => {
  const directory = await runtime(t)
  const [one, hidden] = [open(t, directory, keyA), open(t, directory, keyB, { isHidden: true })]
  await hidden.knows(keyA)
  const other = open(t, directory, keyC)
  await other.knows(keyA)
  await one.knows(keyC)
  t.alike(
    [one, other].flatMap(({ reports }) => reports.filter(([key]) => key === keyB)),
    []
  )
})

test('processes of one folder find each other, and one that closes removes its record', async (t) => {
  const directory = await runtime(t)
  const one = open(t, directory, keyA)
  const stranger = open(t, directory, keyC, { id: 'f'.repeat(32) })
  const child = spawnPeer(t, directory, keyB)
  let output = ''
  child.stdout?.on('data', (data: Buffer) => {
    output += data
  })
  await one.knows(keyB, 4001)
  await until(() => output.includes(keyA), { what: 'the report of the other process' })
  t.alike(JSON.parse(output.split('\n')[0] as string), { peer: keyA, addresses: [{ host: '127.0.0.1', port: 4000 }] })
  t.alike(JSON.parse(readFileSync(join(recordsOf(directory), `${keyB}.json`), 'utf8')), {
    v: 1,
    pid: child.pid,
    port: 4001
  })
  child.stdin?.end()
  await ended(child)
  t.ok(output.includes('closed'))
  t.absent(existsSync(join(recordsOf(directory), `${keyB}.json`)), 'its record is removed')
  await one.forgets(keyB)
  t.alike(stranger.reports, [])
  t.is(one.reports.length, 2, 'no report repeats')
})

test('a killed process is forgotten, and another removes its record', async (t) => {
  const directory = await runtime(t)
  const one = open(t, directory, keyA)
  const child = spawnPeer(t, directory, keyB)
  await one.knows(keyB, 4001)
  child.kill('SIGKILL')
  await ended(child)
  await one.forgets(keyB)
  t.alike(readdirSync(recordsOf(directory)), [`${keyA}.json`])
})

test('the search keeps no process alive', async (t) => {
  const child = spawnPeer(t, await runtime(t), keyB, 'brief')
  await ended(child)
  t.is(child.exitCode, 0)
})

test('a peer that was killed and restarted is reported again, even at the same port', async (t) => {
  const directory = await runtime(t)
  const one = open(t, directory, keyA)
  const child = spawnPeer(t, directory, keyB)
  await one.knows(keyB, 4001)
  child.kill('SIGKILL')
  await ended(child)
  const again = spawnPeer(t, directory, keyB)
  const record = join(recordsOf(directory), `${keyB}.json`)
  const pidOf = () => (existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')).pid : undefined)
  await until(() => pidOf() === again.pid, { what: 'its record' })
  const times = () => one.reports.filter(([key, addresses]) => key === keyB && addresses[0]?.port === 4001).length
  await until(() => times() === 2, { what: 'the second report' })
  t.pass()
})

test('of two processes with one key, the first keeps its record', async (t) => {
  const directory = await runtime(t)
  const [one, first] = [open(t, directory, keyA), spawnPeer(t, directory, keyB)]
  await one.knows(keyB, 4001)
  const second = open(t, directory, keyB, { port: 4002 })
  await second.knows(keyA)
  const record = () => JSON.parse(readFileSync(join(recordsOf(directory), `${keyB}.json`), 'utf8'))
  t.is(record().pid, first.pid)
  second.peer.close()
  await open(t, directory, keyC).knows(keyB, 4001)
  t.is(record().pid, first.pid)
})

test('records are accessible to their owner only', async (t) => {
  const directory = await runtime(t)
  const one = open(t, directory, keyA)
  await open(t, directory, keyB).knows(keyA)
  const modeOf = (path: string) => statSync(path).mode & 0o777
  t.is(modeOf(join(recordsOf(directory), `${keyA}.json`)), 0o600)
  t.is(modeOf(recordsOf(directory)), 0o700)
  t.is(modeOf(join(directory, 'p2psync')), 0o700)
  t.is(one.peer.unavailable, undefined)
})

test('a removed directory is created again', async (t) => {
  const directory = await runtime(t)
  const [one, other] = [open(t, directory, keyA), open(t, directory, keyB)]
  await Promise.all([one.knows(keyB), other.knows(keyA)])
  rmSync(join(directory, 'p2psync'), { recursive: true })
  await until(() => existsSync(join(recordsOf(directory), `${keyA}.json`)), { what: 'our record' })
  await until(() => existsSync(join(recordsOf(directory), `${keyB}.json`)), { what: 'the other record' })
  await open(t, directory, keyC).knows(keyA)
  t.pass()
})

test('without a runtime directory, the user gets one in the temporary directory', async (t) => {
  const temporaryDirectory = await t.tmp()
  const missing = join(temporaryDirectory, 'missing')
  for (const [index, runtimeDirectory] of ['', 'relative', missing].entries()) {
    const folder = String(index).repeat(32)
    open(t, runtimeDirectory, keyA, { temporaryDirectory, id: folder })
    await open(t, runtimeDirectory, keyB, { temporaryDirectory, id: folder }).knows(keyA)
  }
  const own = join(temporaryDirectory, `p2psync-${uid}`)
  t.is(statSync(own).mode & 0o777, 0o700)
  t.is(readdirSync(join(own, 'p2psync')).length, 3)
})

const unsafe: ReadonlyArray<[name: string, make: (own: string) => void, reason: RegExp]> = [
  ['others may enter', (own) => mkdirSync(own, { mode: 0o755 }), /open to other users/],
  [
    'a link leads to',
    (own) => [mkdirSync(`${own}-real`, { mode: 0o700 }), symlinkSync(`${own}-real`, own)],
    /not a dir/
  ],
  ['is a file', (own) => writeFileSync(own, ''), /not a directory/]
]
if (isRoot) {
  const another = (own: string) => [mkdirSync(own, { mode: 0o700 }), chownSync(own, 65_534, 65_534)]
  unsafe.concat([['belongs to another user', another, /another user/]]).forEach(testUnsafe)
} else unsafe.forEach(testUnsafe)

function testUnsafe([name, make, reason]: (typeof unsafe)[number]): void {
  test(`a directory that ${name} is not used`, async (t) => {
    const temporaryDirectory = await t.tmp()
    const own = join(temporaryDirectory, `p2psync-${uid}`)
    make(own)
    const before = readdirSync(temporaryDirectory, { recursive: true })
    const { peer } = open(t, '', keyA, { temporaryDirectory })
    await until(() => peer.unavailable, { what: 'the reason' })
    t.ok(reason.test(peer.unavailable ?? ''), peer.unavailable)
    t.alike(readdirSync(temporaryDirectory, { recursive: true }), before, 'nothing is written there')
    rmSync(own, { recursive: true })
    await until(() => peer.unavailable === undefined, { what: 'the directory to be used' })
    t.pass('it is used once it is safe')
  })
}

test('a runtime directory that others can write to is not used', async (t) => {
  const [runtimeDirectory, temporaryDirectory] = [await t.tmp(), await t.tmp()]
  chmodSync(runtimeDirectory, 0o777)
  open(t, runtimeDirectory, keyA, { temporaryDirectory })
  await open(t, runtimeDirectory, keyB, { temporaryDirectory }).knows(keyA)
  t.alike(readdirSync(runtimeDirectory), [])
})

test('foreign files among the records are ignored', async (t) => {
  const directory = await runtime(t)
  const records = recordsOf(directory)
  mkdirSync(records, { recursive: true, mode: 0o700 })
  const hostile = Array.from({ length: 13 }, (_, index) =>
    join(records, `${index.toString(16).padStart(64, '0')}.json`)
  )
  const [huge, long, fifo, link, folder, ...garbage] = hostile as [string, string, string, string, string, ...string[]]
  const valid = JSON.stringify({ v: 1, pid: process.pid, port: 4444 })
  writeFileSync(huge, valid)
  truncateSync(huge, 2 ** 40)
  writeFileSync(long, valid.padEnd(5000))
  execFileSync('mkfifo', [fifo])
  writeFileSync(join(directory, 'elsewhere'), valid)
  symlinkSync(join(directory, 'elsewhere'), link)
  mkdirSync(folder)
  const texts = ['', 'null', '[]', '{', '{"v":2}', valid.replace('4444', '0'), valid.replace('4444', '"4444"'), '"x"']
  for (const [index, path] of garbage.entries()) writeFileSync(path, texts[index] as string)
  for (const name of ['x.json', `${keyB}.json.json`, `${keyB.toUpperCase()}.json`, `.${keyB}.json`, keyB])
    writeFileSync(join(records, name), valid)
  const one = open(t, directory, keyA)
  await open(t, directory, keyC).knows(keyA)
  await one.knows(keyC)
  t.alike([...new Set(one.reports.map(([key]) => key))], [keyC])
  t.is(one.peer.unavailable, undefined)
})

test('records with a process id of 0 or -1 are ignored', async (t) => {
  const directory = await runtime(t)
  mkdirSync(recordsOf(directory), { recursive: true, mode: 0o700 })
  for (const [key, pid] of [
    [keyA, 0],
    [keyB, -1]
  ] as const) {
    writeFileSync(join(recordsOf(directory), `${key}.json`), JSON.stringify({ v: 1, pid, port: 1 }))
  }
  const one = open(t, directory, keyC)
  await until(() => existsSync(join(recordsOf(directory), `${keyC}.json`)), { what: 'our record' })
  const other = open(t, directory, 'd'.repeat(64))
  await other.knows(keyC)
  await one.knows('d'.repeat(64))
  t.is(other.reports.length + one.reports.length, 2)
})

test('a directory with ten thousand files yields at most 256 peers', async (t) => {
  const directory = await runtime(t)
  mkdirSync(recordsOf(directory), { recursive: true, mode: 0o700 })
  const valid = JSON.stringify({ v: 1, pid: process.pid, port: 4444 })
  for (let index = 0; index < 10_000; index++) {
    const name = index < 1000 ? index.toString(16).padStart(64, '0') : `junk-${index}`
    writeFileSync(join(recordsOf(directory), `${name}.json`), valid)
  }
  const one = open(t, directory, keyA)
  await until(() => one.reports.length > 0, { what: 'a report' })
  t.is(one.reports.length, 256)
})
