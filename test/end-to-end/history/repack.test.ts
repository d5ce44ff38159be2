import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Assert } from 'brittle'
import { LogStore } from '../../../src/log/hypercore/store.ts'
import { LogWriter } from '../../../src/log/writer.ts'
import { bytesOf } from '../../support/bytes.ts'
import { packageRoot, start, startClone, startShare } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { becomeSame, differences } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

const [files, fileBytes] = [800, 6000]

/** What a folder holds: the hash of each file. */
type Contents = ReadonlyMap<string, string>

interface Told {
  readonly type: string
  readonly version?: number
  readonly blocks: number
  readonly bytes: number
}

/** Writes some of the small files anew. @returns how many bytes they had before */
function write(source: string, round: number, isMeant: (i: number) => boolean): number {
  mkdirSync(join(source, 'small'), { recursive: true })
  let bytes = 0
  for (let i = 0; i < files; i++) {
    if (!isMeant(i)) continue
    writeFileSync(join(source, `small/${i}`), bytesOf(fileBytes, 2 * (i * 10 + round) + 1))
    bytes += fileBytes
  }
  return bytes
}

function contentsOf(folder: string): Contents {
  const names = readdirSync(join(folder, 'small'))
  return new Map(names.sort().map((name) => [name, hashOf(readFileSync(join(folder, 'small', name)))]))
}

/** Bytes on disk of all that is kept beside the files. */
function du(folder: string): number {
  return Number(spawnSync('du', ['-sB1', join(folder, '.p2psync')], { encoding: 'utf8' }).stdout.split('\t')[0])
}

/** Runs a command to its end. @returns what it printed as JSON */
async function run(t: Assert, args: readonly string[], bootstrap = ''): Promise<readonly Told[]> {
  const command = start(t, [...args, '--json'], bootstrap === '' ? {} : { bootstrap })
  t.is(await command.exit(), 0, `${args[0]}: ${command.stderr}`)
  return command.events as unknown as readonly Told[]
}

/** Has a folder forget. @returns how many bytes that gave back, and what it said of them */
async function forget(t: Assert, folder: string, ...args: readonly string[]) {
  const before = du(folder)
  const [told] = await run(t, ['gc', folder, '--keep', '0s', ...args])
  return { freed: before - du(folder), ...(told as Told) }
}

/** What a version has, as it is got. */
async function gotten(t: Assert, where: string, version: number, bootstrap = ''): Promise<Contents> {
  const to = join(await t.tmp(), 'got')
  await run(t, ['get', `${where}@${version}`, '--to', to], bootstrap)
  return contentsOf(to)
}

async function begin(t: Assert, source: string): Promise<void> {
  const writer = await startShare(t, source, {})
  await writer.event('up-to-date')
  await writer.kill('SIGTERM')
}

/** A folder at rest whose small files lie in packs of which others are still needed, with each of its versions. */
async function makePast(t: Assert) {
  const source = await t.tmp()
  const past: { readonly version: number; readonly contents: Contents }[] = []
  let unreferenced = 0
  for (const [round, share] of [1, 2, 3].entries()) {
    const replaced = write(source, round, (i) => i % share === 0)
    // What the second has replaced is of the first alone.
    if (round === 1) unreferenced = replaced
    if (round === 0) await begin(t, source)
    else await run(t, ['scan', source])
    const [last] = await run(t, ['log', source, '-n', '1'])
    past.push({ version: last?.version ?? 0, contents: contentsOf(source) })
  }
  return { source, past, unreferenced }
}

test('what lies in packs that others need is given back too, again and again', async (t) => {
  const { source, past, unreferenced } = await makePast(t)
  const keep = ['--keep-versions', '2']
  const [told] = await run(t, ['gc', source, '--keep', '0s', ...keep, '--dry-run'])
  t.ok(Math.abs((told?.bytes ?? 0) - unreferenced) < unreferenced / 10, `${told?.bytes} told of ${unreferenced}`)
  const { freed, bytes } = await forget(t, source, ...keep)
  t.is(bytes, told?.bytes, 'looking changed nothing')
  t.ok(freed >= 0.9 * unreferenced, `${freed} given back of ${unreferenced} bytes`)
  t.ok((await forget(t, source, ...keep)).bytes < unreferenced / 10, 'there is little more')
  const kept = past.slice(1)
  for (const { version, contents } of kept) t.alike(await gotten(t, source, version), contents, 'each reads here')

  const { text: bootstrap } = await startTestnet(t)
  const mirror = join(await t.tmp(), 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  for (const { version, contents } of kept) {
    t.alike(await gotten(t, writer.key, version, bootstrap), contents, 'and from far')
  }
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await becomeSame(t, source, mirror)

  // What was moved is moved once more; and who mirrors it forgets it too, but not before it has what was moved.
  const replaced = write(source, 5, (i) => i % 2 === 1)
  await becomeSame(t, source, mirror)
  for (const folder of [source, mirror]) {
    const { freed } = await forget(t, folder)
    t.ok(freed >= 0.9 * replaced, `${freed} given back of ${replaced} bytes`)
    if (folder === mirror) continue
    const { version, contents } = past[2] as (typeof past)[number]
    t.alike(await gotten(t, mirror, version), contents, 'a mirror that has not forgotten what its source has')
  }
  await writer.kill('SIGTERM')
  const third = join(await t.tmp(), 'third')
  t.is(await startClone(t, writer.key, third, { bootstrap, args: ['--once'] }).exit(), 0)
  t.alike(differences(source, third), [], 'the mirror alone has all')
  for (const folder of [source, mirror]) {
    if (folder === mirror) await reader.kill('SIGTERM')
    const [verified] = (await run(t, ['verify', folder])).slice(-1)
    t.is(verified?.type, 'verified')
  }
})

test('a gc that is killed while it stores packs anew loses nothing, and the next one goes on', async (t) => {
  const { source, past, unreferenced } = await makePast(t)
  const keep = ['--keep-versions', '2']
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
  const before = du(source)
  for (const step of ['blocks-appended 1', 'version-made 1', 'blocks-cleared 1']) {
    const order = join(await t.tmp(), 'order')
    writeFileSync(order, step)
    const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
    const killed = start(t, ['gc', source, '--keep', '0s', ...keep], { env })
    t.is(await killed.exit(), -1, step)
    const { version, contents } = past[1] as (typeof past)[number]
    t.alike(await gotten(t, source, version), contents, step)
  }
  await forget(t, source, ...keep)
  t.ok(before - du(source) >= 0.9 * unreferenced)
  write(source, 0, (i) => i % 2 === 0)
  await run(t, ['scan', source])
  const [last] = await run(t, ['log', source, '-n', '1'])
  t.alike(await gotten(t, source, last?.version ?? 0), contentsOf(source))
})

test("where it isn't known what was moved nothing is cleared, until a mirror has told it", async (t) => {
  const { source } = await makePast(t)
  await forget(t, source, '--keep-versions', '2')
  const { text: bootstrap } = await startTestnet(t)
  const mirror = join(await t.tmp(), 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  await writer.kill('SIGTERM')

  const store = await LogStore.open(join(source, '.p2psync/store'))
  const table = (await (await LogWriter.open(store)).head())?.relocations
  t.ok(table, 'a head names the table')
  await (await store.named('content')).clear(table?.block ?? 0, (table?.block ?? 0) + 1)
  await store.close()
  const size = du(source)
  const refused = start(t, ['gc', source, '--keep', '0s'])
  t.is(await refused.exit(), 13)
  t.ok(refused.stderr.includes('nothing was forgotten'), refused.stderr)
  t.ok(du(source) >= 0.95 * size)

  const found = start(t, ['verify', source])
  t.is(await found.exit(), 15)
  t.ok(found.stderr.includes(`block ${table?.block} of the content core: It is not here`), found.stderr)
  startClone(t, writer.key, mirror, { bootstrap })
  const repaired = start(t, ['verify', source, '--repair'], { bootstrap })
  t.is(await repaired.exit(), 0, repaired.stderr)
  await forget(t, source)
})
