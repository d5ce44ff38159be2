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
import { gc } from '../../support/gc.ts'
import { hangMs } from '../../support/hang.ts'
import { link, openStore } from '../../support/log.ts'
import { differences, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** The contents of a version: the hash of each file. */
type Contents = Readonly<Record<string, string>>

/** Writes all files anew. @returns their contents and total bytes */
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

/** Bytes on disk of the store and state of a folder. */
function du(folder: string): number {
  return Number(spawnSync('du', ['-sB1', join(folder, '.p2psync')], { encoding: 'utf8' }).stdout.split('\t')[0])
}

/** The contents of a version, read from the log. */
async function contentsAt(reader: LogReader, version: Version): Promise<Contents> {
  const contents: Record<string, string> = {}
  const content = await reader.content(() => 0)
  const signal = AbortSignal.timeout(hangMs)
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
  /** The versions so far, oldest first. */
  readonly past: readonly { readonly length: number; readonly contents: Contents; readonly bytes: number }[]
  /** How many versions lie between the second and the newest, both included. */
  readonly versions: number
}

const publishedIn = (writer: Command) => writer.events.flatMap((event) => (event.type === 'published' ? [event] : []))

/** A folder whose contents were all replaced twice, and a mirror; both are stopped. */
async function openPair(t: Assert): Promise<Pair> {
  const { text, addresses } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const past = [{ length: 0, ...fill(source, 0) }]
  const writer = await startShare(t, source, { bootstrap: text })
  const cloned = clone(writer.key, mirror, { bootstrap: addresses, lan: false })
  t.teardown(() => cloned.close())
  await cloned.ready()
  for (let round = 1; ; round++) {
    await waitUntilEqual(t, source, mirror)
    past[round - 1] = { ...(past[round - 1] as Pair['past'][number]), length: publishedIn(writer).at(-1)?.version ?? 0 }
    if (round === 3) break
    past.push({ length: 0, ...fill(source, round) })
  }
  // A mirror fetches unneeded blocks at leisure, unless a command asks for them.
  t.absent((await cloned.collectGarbage({ keepMs: 1e12, dryRun: true })).isCut)
  const second = past[1]?.length ?? 0
  const versions = publishedIn(writer).filter(({ version }) => version >= second).length
  await cloned.close()
  t.is(await writer.kill('SIGTERM'), 130)
  return { bootstrap: text, key: writer.key, source, mirror, past, versions }
}

/** Reads all kept versions, in the store of a folder and in that of another machine that fetches everything from it. */
async function assertReadable(t: Assert, folder: string, { key, past }: Pair): Promise<void> {
  const store = await LogStore.open(join(folder, '.p2psync/store'))
  const here = await LogReader.open(store, key)
  const cold = await openStore(t)
  const remote = await LogReader.open(cold, key)
  await link(t, store, cold)
  await until(() => remote.version?.length === here.version?.length, { what: 'the log' })
  const fork = here.version?.fork ?? 0
  for (const { length, contents } of past.slice(1)) {
    t.alike(await contentsAt(here, { fork, length }), contents, `version ${length} here`)
    t.alike(await contentsAt(remote, { fork, length }), contents, `version ${length} elsewhere`)
  }
  await here.close()
  await remote.close()
  await store.close()
}

test('gc frees disk space, and kept versions stay readable everywhere', async (t) => {
  const pair = await openPair(t)
  const { bootstrap, key, source, mirror, past, versions } = pair
  const unreferenced = past[0]?.bytes ?? 0
  const keep = ['--keep', '0s', '--keep-versions', String(versions)]
  for (const folder of [source, mirror]) {
    const estimate = await gc(t, folder, ...keep, '--dry-run')
    t.ok(
      Math.abs(estimate.bytes - unreferenced) < unreferenced / 10,
      `${estimate.bytes} estimated of ${unreferenced} bytes`
    )
    t.is(estimate.oldest?.version, past[1]?.length)
    const before = du(folder)
    const done = await gc(t, folder, ...keep)
    t.is(done.bytes, estimate.bytes, 'a dry run changes nothing')
    const freed = before - du(folder)
    t.ok(freed >= 0.9 * unreferenced, `${freed} freed of ${unreferenced} bytes`)
    t.ok(Math.abs(freed - estimate.bytes) < 0.1 * estimate.bytes, `${estimate.bytes} estimated, ${freed} freed`)
    const again = await gc(t, folder, ...keep)
    t.is(again.blocks, 0)
    t.is(again.versionsKept, done.versionsKept)
    await assertReadable(t, folder, pair)
  }
  // Each alone is enough for a new clone.
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

test('gc works on a running folder, and returning content is stored anew', async (t) => {
  const { addresses: bootstrap } = await startTestnet(t)
  const options = { bootstrap, lan: false }
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const write = (round: number) => {
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `f${i}`), bytesOf(200_000, 2 * (100 * i + round) + 1))
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `s${i}`), bytesOf(500, 2 * (100 * i + round) + 1))
    // Stored in place: each side holds it once, and only while the folder has it.
    writeFileSync(join(source, 'large'), bytesOf(5_000_000, 2 * round + 1))
  }
  write(1)
  const shared = share(source, options)
  t.teardown(() => shared.close())
  await shared.ready()
  const cloned = clone(shared.key, mirror, options)
  t.teardown(() => cloned.close())
  await cloned.ready()
  await waitUntilEqual(t, source, mirror)
  write(2)
  await waitUntilEqual(t, source, mirror)

  const published = new Map<number, number>()
  shared.subscribe((event) => event.type === 'published' && published.set(event.version, event.stored))
  for (const folder of [shared, cloned]) {
    const { blocks, bytes, isCut, oldest } = await folder.collectGarbage({ keepMs: 0 })
    t.ok(isCut && oldest !== null)
    t.ok(blocks > 0)
    t.ok(bytes >= 4_000_000 && bytes < 4_500_000, `${bytes} bytes, without content in place`)
    t.is((await folder.collectGarbage({ keepMs: 0 })).blocks, 0)
  }
  t.alike(differences(source, mirror), [])

  write(1)
  await waitUntilEqual(t, source, mirror)
  const stored = [...published.values()].reduce((sum, bytes) => sum + bytes, 0)
  t.ok(stored >= 4_000_000, `${stored} bytes stored`)
  // A new clone gets everything from both.
  const third = join(await t.tmp(), 'third')
  const late = clone(shared.key, third, options)
  t.teardown(() => late.close())
  const inSync = late.inSync()
  await late.ready()
  await inSync
  t.alike(differences(source, third), [])
})

const steps = ['chunks-forgotten 1', 'blocks-cleared 1', 'store-compacted 1']

test('a killed gc loses no kept version, and the next one continues', async (t) => {
  const source = await t.tmp()
  const count = 250
  const kept = new Map<string, Buffer>()
  // Each file is a block of its own, and every second one stays: many runs of blocks to clear.
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
  const estimate = await gc(t, source, '--keep', '0s', '--dry-run')
  t.ok(estimate.blocks > 0)
  const before = du(source)
  for (const step of steps) {
    const order = join(await t.tmp(), 'order')
    writeFileSync(order, step)
    const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
    t.is(await start(t, ['gc', source, '--keep', '0s'], { env }).exit(), -1, step)
    if (!step.startsWith('blocks-cleared')) continue
    const { blocks } = await gc(t, source, '--keep', '0s', '--dry-run')
    t.ok(blocks > 0 && blocks < estimate.blocks, `${blocks} left of ${estimate.blocks}`)
  }
  await gc(t, source, '--keep', '0s')
  t.ok(before - du(source) >= 0.9 * estimate.bytes)
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
