import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { clone } from '../../src/index.ts'
import { LogReader } from '../../src/log/reader.ts'
import { LogStore } from '../../src/log/store.ts'
import type { Entry } from '../../src/tree/entry.ts'
import type { TreePath } from '../../src/tree/path.ts'
import type { Version } from '../../src/tree/tree.ts'
import { bytesOf } from '../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../support/cli.ts'
import { hashOf } from '../support/entries.ts'
import { link, openStore } from '../support/log.ts'
import { becomeSame, differences } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { test } from '../support/together.ts'
import { until } from '../support/until.ts'

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
  for (let i = 0; i < 60; i++) write(`large/${i}`, 100_000 + i * 13_000, i + 1)
  for (let i = 0; i < 1000; i++) write(`small/${i}`, 1000 + i * 7, i + 100)
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
  t.is((await cloned.collectGarbage({ keepMs: 1e12, dryRun: true })).blocks, 0)
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
