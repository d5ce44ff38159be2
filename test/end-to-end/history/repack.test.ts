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
import { differences, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

const [files, fileBytes] = [800, 6000]

/** The contents of a folder: the hash of each file. */
type Contents = ReadonlyMap<string, string>

interface Report {
  readonly type: string
  readonly version?: number
  readonly blocks: number
  readonly bytes: number
}

/** Writes some of the small files anew. @returns their former total bytes */
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

/** Bytes on disk of the store and state of a folder. */
function du(folder: string): number {
  return Number(spawnSync('du', ['-sB1', join(folder, '.p2psync')], { encoding: 'utf8' }).stdout.split('\t')[0])
}

/** Runs a command to its end. @returns its JSON output */
async function run(t: Assert, args: readonly string[], bootstrap = ''): Promise<readonly Report[]> {
  const command = start(t, [...args, '--json'], bootstrap === '' ? {} : { bootstrap })
  t.is(await command.exit(), 0, `${args[0]}: ${command.stderr}`)
  return command.events as unknown as readonly Report[]
}

/** Runs gc. @returns the bytes freed on disk, and its report */
async function collect(t: Assert, folder: string, ...args: readonly string[]) {
  const before = du(folder)
  const [report] = await run(t, ['gc', folder, '--keep', '0s', ...args])
  return { freed: before - du(folder), ...(report as Report) }
}

/** The contents of a version, as `get` exports them. */
async function contentsOfVersion(t: Assert, where: string, version: number, bootstrap = ''): Promise<Contents> {
  const to = join(await t.tmp(), 'got')
  await run(t, ['get', `${where}@${version}`, '--to', to], bootstrap)
  return contentsOf(to)
}

async function begin(t: Assert, source: string): Promise<void> {
  const writer = await startShare(t, source, {})
  await writer.event('up-to-date')
  await writer.kill('SIGTERM')
}

/** A closed folder with all its versions, whose packs mix needed and unneeded small files. */
async function makePast(t: Assert) {
  const source = await t.tmp()
  const past: { readonly version: number; readonly contents: Contents }[] = []
  let unreferenced = 0
  for (const [round, share] of [1, 2, 3].entries()) {
    const replaced = write(source, round, (i) => i % share === 0)
    // The first version alone has the contents that the second replaced.
    if (round === 1) unreferenced = replaced
    if (round === 0) await begin(t, source)
    else await run(t, ['scan', source])
    const [last] = await run(t, ['log', source, '-n', '1'])
    past.push({ version: last?.version ?? 0, contents: contentsOf(source) })
  }
  return { source, past, unreferenced }
}

test('gc frees content in packs that other files still need, repeatedly', async (t) => {
  const { source, past, unreferenced } = await makePast(t)
  const keep = ['--keep-versions', '2']
  const [estimate] = await run(t, ['gc', source, '--keep', '0s', ...keep, '--dry-run'])
  t.ok(
    Math.abs((estimate?.bytes ?? 0) - unreferenced) < unreferenced / 10,
    `${estimate?.bytes} estimated of ${unreferenced}`
  )
  const { freed, bytes } = await collect(t, source, ...keep)
  t.is(bytes, estimate?.bytes, 'a dry run changes nothing')
  t.ok(freed >= 0.9 * unreferenced, `${freed} freed of ${unreferenced} bytes`)
  t.ok((await collect(t, source, ...keep)).bytes < unreferenced / 10, 'little is left to free')
  const kept = past.slice(1)
  for (const { version, contents } of kept)
    t.alike(await contentsOfVersion(t, source, version), contents, 'each version is readable locally')

  const { text: bootstrap } = await startTestnet(t)
  const mirror = join(await t.tmp(), 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  for (const { version, contents } of kept) {
    t.alike(await contentsOfVersion(t, writer.key, version, bootstrap), contents, 'each version is readable remotely')
  }
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)

  // Relocated content is relocated once more; the mirror's gc frees it too, but only after it has the relocated content.
  const replaced = write(source, 5, (i) => i % 2 === 1)
  await waitUntilEqual(t, source, mirror)
  for (const folder of [source, mirror]) {
    const { freed } = await collect(t, folder)
    t.ok(freed >= 0.9 * replaced, `${freed} freed of ${replaced} bytes`)
    if (folder === mirror) continue
    const { version, contents } = past[2] as (typeof past)[number]
    t.alike(await contentsOfVersion(t, mirror, version), contents, 'a mirror keeps what its source has deleted')
  }
  await writer.kill('SIGTERM')
  const third = join(await t.tmp(), 'third')
  t.is(await startClone(t, writer.key, third, { bootstrap, args: ['--once'] }).exit(), 0)
  t.alike(differences(source, third), [], 'the mirror alone serves everything')
  for (const folder of [source, mirror]) {
    if (folder === mirror) await reader.kill('SIGTERM')
    const [verified] = (await run(t, ['verify', folder])).slice(-1)
    t.is(verified?.type, 'verified')
  }
})

test('a gc killed while it rewrites packs loses nothing, and the next one continues', async (t) => {
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
    t.alike(await contentsOfVersion(t, source, version), contents, step)
  }
  await collect(t, source, ...keep)
  t.ok(before - du(source) >= 0.9 * unreferenced)
  write(source, 0, (i) => i % 2 === 0)
  await run(t, ['scan', source])
  const [last] = await run(t, ['log', source, '-n', '1'])
  t.alike(await contentsOfVersion(t, source, last?.version ?? 0), contentsOf(source))
})

test('without the table of relocations gc clears nothing, until a mirror provides the table', async (t) => {
  const { source } = await makePast(t)
  await collect(t, source, '--keep-versions', '2')
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
  await collect(t, source)
})
