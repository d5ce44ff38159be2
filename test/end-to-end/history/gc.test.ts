import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Assert } from 'brittle'
import { clone, share } from '../../../src/index.ts'
import { LogStore } from '../../../src/log/hypercore/store.ts'
import { LogReader } from '../../../src/log/reader.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, packageRoot, start, startClone, startShare } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { link, openStore } from '../../support/log.ts'
import { says } from '../../support/says.ts'
import { becomeSame, differences } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

interface Collected {
  readonly type: 'gc'
  readonly versionsKept: number
  readonly isCut: boolean
  readonly oldest: { readonly version: number } | null
  readonly blocks: number
  readonly bytes: number
  readonly before: number
  readonly after: number
}

/** What a version holds: the hash of each file. */
type Contents = Readonly<Record<string, string>>

/** Writes all files anew. @returns what they hold, and how many bytes */
function fill(source: string, round: number): { readonly contents: Contents; readonly bytes: number } {
  const contents: Record<string, string> = {}
  let bytes = 0
  for (const directory of ['large', 'small']) mkdirSync(join(source, directory), { recursive: true })
  const write = (path: string, length: number, seed: number) => {
    const content = bytesOf(length, 2 * (seed * 10 + round) + 1)
    writeFileSync(join(source, path), content)
    contents[path] = hashOf(content)
    bytes += length
  }
  for (let i = 0; i < 40; i++) write(`large/${i}`, 100_000 + i * 18_000, i + 1)
  for (let i = 0; i < 400; i++) write(`small/${i}`, 1000 + i * 20, i + 100)
  return { contents, bytes }
}

/** Bytes on disk of all that is kept beside the files. */
function du(folder: string): number {
  return Number(spawnSync('du', ['-sB1', join(folder, '.p2psync')], { encoding: 'utf8' }).stdout.split('\t')[0])
}

async function gc(t: Assert, folder: string, ...args: readonly string[]): Promise<Collected> {
  const command = start(t, ['gc', folder, '--json', ...args])
  t.is(await command.exit(), 0, command.stderr)
  return JSON.parse(command.stdout) as Collected
}

/** What can be read of a version. */
async function contentsAt(reader: LogReader, version: Version): Promise<Contents> {
  const contents: Record<string, string> = {}
  const content = await reader.content(() => 0)
  const signal = AbortSignal.timeout(30_000)
  signal.addEventListener('abort', () => void content.close())
  await reader.fetch(version, signal)
  const files: (readonly [TreePath, Entry])[] = []
  for await (const pair of reader.entriesAt(version, () => {})) files.push(pair)
  for (const [path, entry] of files) {
    if (entry.type !== 'file') continue
    const pieces: Uint8Array[] = []
    for await (const piece of content.read(entry, signal)) pieces.push(Buffer.from(piece))
    contents[path] = hashOf(Buffer.concat(pieces))
  }
  await content.close()
  return contents
}

interface Pair {
  readonly bootstrap: string
  readonly key: string
  readonly source: string
  readonly mirror: string
  /** What there was, one after the other. */
  readonly past: readonly { readonly length: number; readonly contents: Contents; readonly bytes: number }[]
  /** How many versions it takes to go back to the second. */
  readonly versions: number
}

const publishedIn = (writer: Command) => writer.events.flatMap((event) => (event.type === 'published' ? [event] : []))

/** A folder whose contents were all replaced twice, and a mirror; neither runs any more. */
async function openPair(t: Assert): Promise<Pair> {
  const { text, addresses } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const past = [{ length: 0, ...fill(source, 0) }]
  const writer = await startShare(t, source, { bootstrap: text })
  const cloned = clone(writer.key, mirror, { bootstrap: addresses, lan: false })
  t.teardown(() => cloned.close())
  await cloned.ready()
  for (let round = 1; ; round++) {
    await becomeSame(t, source, mirror)
    past[round - 1] = { ...(past[round - 1] as Pair['past'][number]), length: publishedIn(writer).at(-1)?.version ?? 0 }
    if (round === 3) break
    past.push({ length: 0, ...fill(source, round) })
  }
  // A mirror takes its time with what it doesn't need, unless it is asked for.
  t.absent((await cloned.collectGarbage({ keepMs: 1e12, dryRun: true })).isCut)
  const second = past[1]?.length ?? 0
  const versions = publishedIn(writer).filter(({ version }) => version >= second).length
  await cloned.close()
  t.is(await writer.kill('SIGTERM'), 130)
  return { bootstrap: text, key: writer.key, source, mirror, past, versions }
}

/** Reads all kept versions, in the store of a folder and in that of another machine that has all from there. */
async function assertReadable(t: Assert, folder: string, { key, past }: Pair): Promise<void> {
  const store = await LogStore.open(join(folder, '.p2psync/store'))
  const here = await LogReader.open(store, key)
  const cold = await openStore(t)
  const there = await LogReader.open(cold, key)
  await link(t, store, cold)
  await until(() => there.version?.length === here.version?.length, { what: 'the log' })
  const fork = here.version?.fork ?? 0
  for (const { length, contents } of past.slice(1)) {
    t.alike(await contentsAt(here, { fork, length }), contents, `version ${length} here`)
    t.alike(await contentsAt(there, { fork, length }), contents, `version ${length} elsewhere`)
  }
  await here.close()
  await there.close()
  await store.close()
}

test('gc gives the disk back, and what is kept can be read everywhere', async (t) => {
  const pair = await openPair(t)
  const { bootstrap, key, source, mirror, past, versions } = pair
  const unreferenced = past[0]?.bytes ?? 0
  const keep = ['--keep', '0s', '--keep-versions', String(versions)]
  for (const folder of [source, mirror]) {
    const told = await gc(t, folder, ...keep, '--dry-run')
    t.ok(Math.abs(told.bytes - unreferenced) < unreferenced / 10, `${told.bytes} told of ${unreferenced} bytes`)
    t.is(told.oldest?.version, past[1]?.length)
    const before = du(folder)
    const done = await gc(t, folder, ...keep)
    t.is(done.bytes, told.bytes, 'looking changed nothing')
    const freed = before - du(folder)
    t.ok(freed >= 0.9 * unreferenced, `${freed} freed of ${unreferenced} bytes`)
    t.ok(Math.abs(freed - told.bytes) < 0.1 * told.bytes, `${told.bytes} told, ${freed} freed`)
    const again = await gc(t, folder, ...keep)
    t.is(again.blocks, 0)
    t.is(again.versionsKept, done.versionsKept)
    await assertReadable(t, folder, pair)
  }
  // Each alone is enough for whoever comes.
  const writer = await startShare(t, source, { bootstrap })
  const fromWriter = join(await t.tmp(), 'new')
  t.is(await startClone(t, key, fromWriter, { bootstrap, args: ['--once'] }).exit(), 0)
  t.alike(differences(source, fromWriter), [])
  const reader = startClone(t, key, mirror, { bootstrap })
  await reader.event('in-sync')
  await writer.kill('SIGTERM')
  const fromMirror = join(await t.tmp(), 'new')
  t.is(await startClone(t, key, fromMirror, { bootstrap, args: ['--once'] }).exit(), 0)
  t.alike(differences(source, fromMirror), [])
})

test('gc forgets while a folder is at work, and what comes back is stored anew', async (t) => {
  const { addresses: bootstrap } = await startTestnet(t)
  const options = { bootstrap, lan: false }
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const write = (round: number) => {
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `f${i}`), bytesOf(200_000, 2 * (100 * i + round) + 1))
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `s${i}`), bytesOf(500, 2 * (100 * i + round) + 1))
    // Lies in place: on either side it is there once, and no longer than it is wanted.
    writeFileSync(join(source, 'large'), bytesOf(5_000_000, 2 * round + 1))
  }
  write(1)
  const shared = share(source, options)
  t.teardown(() => shared.close())
  await shared.ready()
  const cloned = clone(shared.key, mirror, options)
  t.teardown(() => cloned.close())
  await cloned.ready()
  await becomeSame(t, source, mirror)
  write(2)
  await becomeSame(t, source, mirror)

  const published = new Map<number, number>()
  shared.subscribe((event) => event.type === 'published' && published.set(event.version, event.stored))
  for (const folder of [shared, cloned]) {
    const { blocks, bytes, isCut, oldest } = await folder.collectGarbage({ keepMs: 0 })
    t.ok(isCut && oldest !== null)
    t.ok(blocks > 0)
    t.ok(bytes >= 4_000_000 && bytes < 4_500_000, `${bytes} bytes, without what lies in place`)
    t.is((await folder.collectGarbage({ keepMs: 0 })).blocks, 0)
  }
  t.alike(differences(source, mirror), [])

  write(1)
  await becomeSame(t, source, mirror)
  const stored = [...published.values()].reduce((sum, bytes) => sum + bytes, 0)
  t.ok(stored >= 4_000_000, `${stored} bytes stored`)
  // Whoever comes now gets all from both.
  const third = join(await t.tmp(), 'third')
  const late = clone(shared.key, third, options)
  t.teardown(() => late.close())
  const inSync = late.inSync()
  await late.ready()
  await inSync
  t.alike(differences(source, third), [])
})

const steps = ['chunks-forgotten 1', 'blocks-cleared 1', 'store-compacted 1']

test('a gc that is killed anywhere leaves all that is kept, and the next one goes on', async (t) => {
  const source = await t.tmp()
  const count = 250
  const kept = new Map<string, Buffer>()
  // Each is a block of its own, and every second one stays: many runs to clear.
  const write = (round: number) => {
    for (let i = 0; i < count; i++) {
      if (round > 1 && i % 2 === 0) continue
      const bytes = bytesOf(132_000, 2 * (i * 10 + round) + 1)
      kept.set(`f${i}`, bytes)
      writeFileSync(join(source, `f${i}`), bytes)
    }
  }
  write(1)
  const first = await startShare(t, source, {})
  await first.event('up-to-date')
  await first.kill('SIGTERM')
  write(2)
  t.is(await start(t, ['scan', source]).exit(), 0)
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
  const told = await gc(t, source, '--keep', '0s', '--dry-run')
  t.ok(told.blocks > 0)
  const before = du(source)
  for (const step of steps) {
    const order = join(await t.tmp(), 'order')
    writeFileSync(order, step)
    const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
    t.is(await start(t, ['gc', source, '--keep', '0s'], { env }).exit(), -1, step)
    if (!step.startsWith('blocks-cleared')) continue
    const { blocks } = await gc(t, source, '--keep', '0s', '--dry-run')
    t.ok(blocks > 0 && blocks < told.blocks, `${blocks} left of ${told.blocks}`)
  }
  await gc(t, source, '--keep', '0s')
  t.ok(before - du(source) >= 0.9 * told.bytes)
  t.is(await start(t, ['scan', source]).exit(), 0)

  const store = await LogStore.open(join(source, '.p2psync/store'))
  t.teardown(() => store.close())
  const reader = await LogReader.open(store, first.key)
  const contents = await contentsAt(reader, reader.version as Version)
  for (const [path, bytes] of kept) {
    if (contents[path] !== hashOf(bytes) || !readFileSync(join(source, path)).equals(bytes)) t.fail(path)
  }
  await reader.close()
})

test('gc says why it does nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const run = async (args: readonly string[], status: number, message: RegExp) => {
    const command = start(t, ['gc', ...args])
    t.is(await command.exit(), status)
    says(t, command.stderr, message)
    t.is(command.stdout, '')
  }
  await run([source, '--keep', '30d'], 10, /is not a folder of p2psync.*\[FOLDER_MISSING\]/)
  await run([source], 2, /required option '--keep <age>'/)
  await run([source, '--keep', '30'], 2, /Give an age such as/)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  await run([source, '--keep', '30d'], 0, /^Freed .*: all versions stay complete\n$/)
  await writer.kill('SIGTERM')
  await run([source, '--keep', '30d'], 0, /^Freed .* of .*: all versions stay complete\n$/)
  await run([source, '--keep', '0s', '--dry-run'], 0, /^Would free about .* of .*: all versions stay/)
  writeFileSync(join(source, 'new'), 'new')
  t.is(await start(t, ['scan', source]).exit(), 0)
  await run(
    [source, '--keep', '0s'],
    0,
    /^Freed .*: versions before \d+ \(\d{4}-\d\d-\d\d\) keep only contents of later/
  )
})

test('a mirror that lacks a part of the log forgets nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (let i = 0; i < 2000; i++) writeFileSync(join(source, `f${i}`), String(i))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  // It takes a packed snapshot of the entries, and has no time for more.
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  const command = start(t, ['gc', mirror, '--keep', '0s', '--json'])
  t.is(await command.exit(), 13)
  says(t, command.stderr, /Not all of the log can be read here.*nothing was forgotten.* \[NO_PEER\]/)
})
