import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import CorestoreStorage from 'hypercore-storage'
import type { FailpointName } from '../../../src/failpoints.ts'
import { clone, share } from '../../../src/index.ts'
import { parseKey } from '../../../src/log/hypercore/store.ts'
import type { FileEntry } from '../../../src/tree/entry.ts'
import type { Version } from '../../../src/tree/tree.ts'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, packageRoot, startClone, startShare } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { noLoopDevices, smallDisk } from '../../support/loop-device.ts'
import { PastReader } from '../../support/past-reader.ts'
import { says } from '../../support/says.ts'
import { becomeSame } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const mb = 1_000_000
const large = bytesOf(3 * mb, 1)
const other = bytesOf(3 * mb, 2)

interface Scene {
  readonly source: string
  readonly mirror: string
  readonly writer: Command & { key: string }
  readonly addresses: { host: string; port: number }[]
  readonly bootstrap: string
  /** Starts the mirror, and waits until it has all. */
  clone(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<Command>
}

/** A source with two large files and a small one. */
async function openScene(t: Assert, { mirror }: { readonly mirror?: string } = {}): Promise<Scene> {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const at = mirror ?? join(await t.tmp(), 'mirror')
  writeFileSync(join(source, 'large'), large)
  writeFileSync(join(source, 'other'), other)
  writeFileSync(join(source, 'small'), bytesOf(1000, 3))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const clone = async (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const reader = startClone(t, writer.key, at, { bootstrap, args, env })
    await reader.event('in-sync')
    return reader
  }
  return { source, mirror: at, writer, addresses, bootstrap, clone }
}

/** Where the log stood when the writer last said that all is published. */
function versionOf({ events }: Command): Version {
  const said = events.findLast((event) => event.type === 'up-to-date')
  if (said?.type !== 'up-to-date') throw new Error('Nothing was published')
  return { fork: said.fork, length: said.version }
}

/** Waits until a mirror keeps these contents and no others, each whole and with a record. */
async function keeps(t: Assert, mirror: string, ...contents: readonly Uint8Array[]): Promise<void> {
  const directory = join(mirror, '.p2psync/kept')
  const hashes = contents.map(hashOf)
  const names = hashes.flatMap((hash) => [hash, `${hash}.json`]).sort()
  // There is none before something is kept.
  const there = () => (existsSync(directory) ? readdirSync(directory).sort() : [])
  const areThere = () => there().join() === names.join()
  await until(areThere, { what: 'what is to be kept', ms: 30_000 }).catch(() => {})
  t.alike(there(), names, 'it keeps what it should')
  for (const hash of hashes) t.is(hashOf(readFileSync(join(directory, hash))), hash, 'it is whole')
}

/** How many blocks of a file a mirror that doesn't run says to have. */
async function blocksHad(mirror: string, key: string, { extents }: FileEntry): Promise<number> {
  const corestore = new Corestore(new CorestoreStorage(join(mirror, '.p2psync/store')))
  try {
    const entries = corestore.get({ key: parseKey(key) })
    await entries.ready()
    const header = await new Hyperbee(entries, { extension: false }).getHeader()
    const content = corestore.get({ key: header.metadata?.contentFeed as Buffer })
    await content.ready()
    let had = 0
    for (const { block, blocks } of extents) {
      for (let i = block; i < block + blocks; i++) if (await content.has(i)) had++
    }
    return had
  } finally {
    await corestore.close()
  }
}

test('what is replaced and removed stays in the mirror for a while, and is served', async (t) => {
  const { source, mirror, writer, addresses, bootstrap, clone } = await openScene(t)
  const first = await clone()
  const before = versionOf(writer)
  writeFileSync(join(source, 'large'), bytesOf(3 * mb, 4))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, large)
  rmSync(join(source, 'other'))
  rmSync(join(source, 'small'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, large, other)
  await writer.kill('SIGTERM')
  const past = await PastReader.open(t, addresses, writer.key)
  t.ok((await past.read(await past.entry('large', before))).equals(large), 'its old bytes come from the mirror alone')

  await first.kill('SIGTERM')
  t.is((await blocksHad(mirror, writer.key, await past.entry('other', before))) > 0, true)
  const again = startClone(t, writer.key, mirror, { bootstrap })
  t.ok((await past.read(await past.entry('other', before))).equals(other), 'also after a restart')
  await keeps(t, mirror, large, other)
  await again.kill('SIGTERM')

  const args = ['--keep-replaced', '1s']
  const last = startClone(t, writer.key, mirror, { bootstrap, args })
  await until(() => readdirSync(join(mirror, '.p2psync/kept')).length === 0, {
    what: 'the end of their time',
    ms: 30_000
  })
  await last.kill('SIGTERM')
  for (const path of ['large', 'other']) {
    t.is(await blocksHad(mirror, writer.key, await past.entry(path, before)), 0, `nobody is promised ${path} any more`)
  }
})

test('what is kept goes in time while the mirror runs', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const reader = await clone(['--keep-replaced', '1s'])
  rmSync(join(source, 'large'))
  await keeps(t, mirror, large)
  await keeps(t, mirror)
  t.ok(reader.running)
})

test('nothing is kept where none is to be', async (t) => {
  const { source, mirror, writer, addresses, clone } = await openScene(t)
  const reader = await clone(['--keep-replaced', 'none'])
  const before = versionOf(writer)
  writeFileSync(join(source, 'large'), bytesOf(3 * mb, 4))
  rmSync(join(source, 'other'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
  const past = await PastReader.open(t, addresses, writer.key)
  const entries = [await past.entry('large', before), await past.entry('other', before)]
  await reader.kill('SIGTERM')
  for (const entry of entries) t.is(await blocksHad(mirror, writer.key, entry), 0)
})

test('a mirror remembers what it was told to keep, and keeps all where it can not', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  await (await clone(['--keep-replaced', 'none'])).kill('SIGTERM')
  const second = await clone()
  rmSync(join(source, 'large'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
  await second.kill('SIGTERM')

  writeFileSync(join(mirror, '.p2psync/keep-replaced.json'), '{"format":1,"ms":-5}')
  const third = await clone()
  const { message } = await third.event('notice', ({ message }) => message.includes('keep-replaced.json'))
  says(t, message, /is damaged, or of a newer p2psync\. Until --keep-replaced is given again nothing that is kept goes/)
  rmSync(join(source, 'other'))
  await keeps(t, mirror, other)
  await third.kill('SIGTERM')

  const last = await clone(['--keep-replaced', '1s'])
  await keeps(t, mirror)
  await last.kill('SIGTERM')
  const { format, ms } = JSON.parse(readFileSync(join(mirror, '.p2psync/keep-replaced.json'), 'utf8'))
  t.alike([format, ms], [1, 1000])
})

test('what has moved, or is there as a copy, is not kept', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  await clone()
  mkdirSync(join(source, 'd'))
  renameSync(join(source, 'large'), join(source, 'd/moved'))
  writeFileSync(join(source, 'copy'), other)
  await becomeSame(t, source, mirror)
  rmSync(join(source, 'other'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
  // Moved over another: that one is gone, not what took its path.
  renameSync(join(source, 'd/moved'), join(source, 'copy'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, other)
  // Back in the folder it needs no keeping.
  writeFileSync(join(source, 'back'), other)
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
})

test('beyond what all may take, the oldest goes, in the folder wherever its state is', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const state = await t.tmp()
  await clone(['--keep-replaced', '7d,4M', '--state', state])
  rmSync(join(source, 'large'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, large)
  rmSync(join(source, 'other'))
  await keeps(t, mirror, other)
})

/** A process that ends by SIGKILL when it comes to a step for the first time after it was armed. */
async function killable(t: Assert) {
  const order = join(await t.tmp(), 'order')
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
  const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
  return { env, arm: (step: FailpointName) => writeFileSync(order, `${step} 1`) }
}

const edits: ReadonlyArray<[what: string, edit: (path: string) => void, steps: readonly FailpointName[]]> = [
  [
    'replaced',
    (path) => writeFileSync(path, bytesOf(3 * mb, 4)),
    ['kept-noted', 'exchanged', 'kept', 'baseline-recorded']
  ],
  ['removed', rmSync, ['kept', 'folder-durable']]
]
for (const [what, edit, steps] of edits) {
  for (const step of steps) {
    test(`killed at ${step} while a file is ${what}, nothing is lost and nothing stays behind`, async (t) => {
      const { source, mirror, writer, addresses, clone } = await openScene(t)
      const { env, arm } = await killable(t)
      const reader = await clone([], env)
      const before = versionOf(writer)
      arm(step)
      edit(join(source, 'large'))
      t.is(await reader.exit(), -1, 'killed')
      await clone()
      await becomeSame(t, source, mirror)
      await keeps(t, mirror, large)
      t.alike(readdirSync(join(mirror, '.p2psync/staging')), [])
      await writer.kill('SIGTERM')
      const past = await PastReader.open(t, addresses, writer.key)
      t.ok((await past.read(await past.entry('large', before))).equals(large))
    })
  }
}

test('beyond what all may take, it goes while there is still work to do', async (t) => {
  const { source, mirror, clone } = await openScene(t)
  const { env, arm } = await killable(t)
  const reader = await clone(['--keep-replaced', '4M'], env)
  // Nothing comes between the two: they go with one version.
  const both = join(await t.tmp(), 'both')
  mkdirSync(both)
  for (const name of ['large', 'other']) renameSync(join(source, name), join(both, name))
  arm('applied-noted')
  t.is(await reader.exit(), -1, 'killed')
  t.is(readdirSync(join(mirror, '.p2psync/kept')).length, 2, 'one, and its record')
})

test('what the log still has in packs is not kept', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const path = join(source, 'text')
  writeFileSync(path, 'the same words, again and again\n'.repeat(100_000))
  const writer = await startShare(t, source, { bootstrap, args: ['--in-place-above', 'none'] })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await becomeSame(t, source, mirror)
  await reader.event('in-sync')
  rmSync(path)
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
})

for (const step of ['taken-out', 'moved'] as const) {
  test(`killed at ${step} while a file is moved, it is there and nothing stays behind`, async (t) => {
    const { source, mirror, clone } = await openScene(t)
    const { env, arm } = await killable(t)
    const reader = await clone([], env)
    arm(step)
    mkdirSync(join(source, 'd'))
    renameSync(join(source, 'large'), join(source, 'd/large'))
    t.is(await reader.exit(), -1, 'killed')
    const again = await clone()
    await becomeSame(t, source, mirror)
    await keeps(t, mirror)
    t.alike(readdirSync(join(mirror, '.p2psync/staging')), [])
    const said = again.events.filter(({ type }) => type === 'conflict' || type === 'problem')
    t.alike(said, [])
  })
}

test('killed while it is given up, it goes all the same', async (t) => {
  const { source, mirror, writer, addresses, clone } = await openScene(t)
  const { env, arm } = await killable(t)
  const reader = await clone()
  const before = versionOf(writer)
  rmSync(join(source, 'large'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, large)
  const past = await PastReader.open(t, addresses, writer.key)
  const entry = await past.entry('large', before)
  await reader.kill('SIGTERM')
  arm('kept-removed')
  const killed = startClone(t, writer.key, mirror, { env, args: ['--keep-replaced', 'none'] })
  t.is(await killed.exit(), -1, 'killed')
  t.alike(readdirSync(join(mirror, '.p2psync/kept')), [`${hashOf(large)}.json`])
  const again = await clone()
  await keeps(t, mirror)
  await again.kill('SIGTERM')
  t.is(await blocksHad(mirror, writer.key, entry), 0)
})

const needsDisks = { skip: noLoopDevices !== false }

test('on a full disk what is kept goes before work stops', needsDisks, async (t) => {
  const disk = await smallDisk(t, 256)
  const { source, mirror, clone } = await openScene(t, { mirror: join(disk.path, 'mirror') })
  const big = bytesOf(40 * mb, 5)
  writeFileSync(join(source, 'big'), big)
  const reader = await clone(['--keep-replaced', '7d,100M'])
  await becomeSame(t, source, mirror)
  rmSync(join(source, 'big'))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror, big)
  disk.fill(30_000_000)
  writeFileSync(join(source, 'more'), bytesOf(45 * mb, 6))
  await becomeSame(t, source, mirror)
  await keeps(t, mirror)
  const said = reader.events.filter(({ type }) => type === 'error' || type === 'problem')
  t.alike(said, [])
  t.is(statSync(join(mirror, 'more')).size, 45 * mb)
})

test('a program is told what is kept, and until when', async (t) => {
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'large'), large)
  const options = { bootstrap: [], lan: false }
  const shared = share(source, options)
  t.teardown(() => shared.close())
  await shared.ready()
  const cloned = clone(shared.key, mirror, { ...options, keepReplaced: { ms: 60_000 } })
  t.teardown(() => cloned.close())
  t.alike(cloned.kept, [])
  const inSync = cloned.inSync()
  await cloned.ready()
  await inSync
  rmSync(join(source, 'large'))
  const beforeMs = Date.now()
  await until(() => cloned.kept.length > 0, { what: 'it to be kept', ms: 30_000 })
  const [kept] = cloned.kept
  const keptMs = kept?.keptMs ?? 0
  t.alike(kept, { path: 'large', size: large.length, hash: hashOf(large), keptMs, expiresMs: keptMs + 60_000 })
  t.ok(Math.abs(keptMs - beforeMs) < 30_000)
})
