import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

async function startPair(t: Assert, fill: (source: string) => void, args: readonly string[] = []) {
  const { text: bootstrap } = await startTestnet(t)
  const source = join(await t.tmp(), 'source')
  const mirror = join(await t.tmp(), 'mirror')
  mkdirSync(source)
  fill(source)
  const writer = await startShare(t, source, { bootstrap, args })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  return { bootstrap, source, mirror, writer, reader }
}

test('an empty mount point is not mistaken for the folder whose state lies elsewhere', async (t) => {
  const state = join(await t.tmp(), 'state')
  const fill = (source: string) => writeFileSync(join(source, 'file'), 'content')
  const { bootstrap, source, mirror, writer } = await startPair(t, fill, ['--state', state])
  await writer.kill('SIGTERM')
  renameSync(source, `${source}-unmounted`)
  mkdirSync(source)
  const again = start(t, ['share', source, '--state', state], { bootstrap })
  t.is(await again.exit(), 14)
  matches(t, again.stderr, /is the state of another folder.*is its disk mounted.*\[HALTED\]/)
  t.absent(existsSync(join(source, '.p2psync/folder.json')), 'the mount point did not become a folder')
  t.ok(existsSync(join(mirror, 'file')), 'the mirror keeps its files')
  rmSync(source, { recursive: true })
  renameSync(`${source}-unmounted`, source)
  t.is((await startShare(t, source, { bootstrap, args: ['--state', state] })).key, writer.key)
})

test('a state inside the folder is refused', async (t) => {
  const source = await t.tmp()
  const command = start(t, ['share', source, '--state', join(source, 'state')])
  t.is(await command.exit(), 2)
  matches(t, command.stderr, /can't be in the folder itself/)
})

test('a folder given by a symlink is watched', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, link] = [await t.tmp(), join(await t.tmp(), 'link')]
  symlinkSync(source, link)
  const writer = await startShare(t, link, { bootstrap })
  await writer.event('up-to-date')
  const before = writer.events.length
  writeFileSync(join(source, 'new'), 'new')
  await writer.event('published', ({ puts }) => puts > 0, before)
  t.pass()
})

test('a folder whose root was replaced by a copy of itself is watched', async (t) => {
  const state = join(await t.tmp(), 'state')
  const { source, mirror } = await startPair(t, (source) => writeFileSync(join(source, 'file'), 'content'), [
    '--state',
    state,
    '--rescan-interval',
    '1s'
  ])
  cpSync(source, `${source}-copy`, { recursive: true, preserveTimestamps: true })
  renameSync(source, `${source}-old`)
  renameSync(`${source}-copy`, source)
  writeFileSync(join(source, 'new'), 'new')
  await waitUntilEqual(t, source, mirror)
})

test('directories that swap places stay watched', async (t) => {
  const { source, mirror } = await startPair(t, (source) => {
    for (let i = 0; i < 20; i++) {
      mkdirSync(join(source, `d${i}/sub`), { recursive: true })
      writeFileSync(join(source, `d${i}/sub/file`), `${i}`)
    }
  })
  for (let i = 0; i < 20; i += 2) {
    renameSync(join(source, `d${i}`), join(source, 'spare'))
    renameSync(join(source, `d${i + 1}`), join(source, `d${i}`))
    renameSync(join(source, 'spare'), join(source, `d${i + 1}`))
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    writeFileSync(join(source, `d${i}/sub/late`), `${i}`)
    writeFileSync(join(source, `d${i + 1}/sub/late`), `${i}`)
  }
  await waitUntilEqual(t, source, mirror)
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `d${i}/sub/later`), `${i}`)
  await waitUntilEqual(t, source, mirror)
})

test('a file that is being written is not stored repeatedly', async (t) => {
  const { source, writer } = await startPair(t, (source) => mkdirSync(join(source, 'd')))
  const path = join(source, 'd/growing')
  writeFileSync(path, bytesOf(20_000_000))
  const size = () => {
    let bytes = 0
    for (const name of readdirSync(join(source, '.p2psync/store'), { recursive: true, encoding: 'utf8' })) {
      // The database may remove a file during the walk.
      const stats = statSync(join(source, '.p2psync/store', name), { throwIfNoEntry: false })
      if (name.endsWith('.blob')) bytes += stats?.size ?? 0
    }
    return bytes
  }
  const endMs = performance.now() + 4000
  while (performance.now() < endMs) {
    appendFileSync(path, bytesOf(100))
    await nextTurn()
  }
  await writer.event('published', ({ bytes }) => bytes > 20_000_000)
  t.ok(size() < 2 * statSync(path).size, `${size()} bytes were stored for a file of ${statSync(path).size}`)
})

test('an ignore rule for directories does not apply to files of that name', async (t) => {
  const { source, mirror } = await startPair(t, (source) => {
    writeFileSync(join(source, '.p2psyncignore'), 'build/\n')
    writeFileSync(join(source, 'build'), 'a file')
  })
  await waitUntilEqual(t, source, mirror)
  rmSync(join(source, 'build'))
  await waitUntilEqual(t, source, mirror)
})

test('clone --once does not exit before it has changes made during the clone', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'big'), bytesOf(60_000_000))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
  await reader.event('progress', ({ phase }) => phase === 'fetch')
  writeFileSync(join(mirror, 'big'), 'mine')
  t.is(await reader.exit(), 0)
  t.ok(readFileSync(join(mirror, 'big')).equals(readFileSync(join(source, 'big'))), 'the content is the source’s')
  const kept = readdirSync(mirror).find((name) => name.startsWith('big.conflict-'))
  t.is(kept && readFileSync(join(mirror, kept), 'utf8'), 'mine')
})

test('clone --once waits no longer than its timeout for a peer that left early', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'big'), bytesOf(100_000_000))
  const writer = await startShare(t, source, { bootstrap, args: ['--limit-up', '20M'] })
  await writer.event('up-to-date')
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--once', '--timeout', '15s'] })
  await reader.event('progress', ({ phase }) => phase === 'fetch')
  await writer.kill('SIGTERM')
  t.is(await reader.exit(), 13)
})

test('the store of another folder is refused', async (t) => {
  const { bootstrap, source, writer } = await startPair(t, () => {})
  await writer.kill('SIGTERM')
  const marker = join(source, '.p2psync/folder.json')
  writeFileSync(marker, readFileSync(marker, 'utf8').replace(writer.key, 'y'.repeat(52)))
  const command = start(t, ['share', source], { bootstrap })
  t.is(await command.exit(), 15)
  matches(t, command.stderr, /was shared as y{52} \[DAMAGED\]/)
})

test('stopping during the read of a large file is a clean exit', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  writeFileSync(join(source, 'big'), bytesOf(400_000_000))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('progress', ({ phase }) => phase === 'publish')
  t.is(await writer.kill('SIGTERM'), 130)
})

test('with an unreadable ignore file nothing is published', { skip: process.getuid?.() === 0 }, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  writeFileSync(join(source, '.p2psyncignore'), 'secret\n')
  writeFileSync(join(source, 'secret'), 'secret')
  chmodSync(join(source, '.p2psyncignore'), 0)
  const writer = await startShare(t, source, { bootstrap })
  t.is((await writer.event('error')).code, 'HALTED')
  chmodSync(join(source, '.p2psyncignore'), 0o600)
  await until(() => writer.events.some(({ type }) => type === 'published'), { what: 'the first version' })
  t.absent(writer.events.some((event) => event.type === 'published' && event.files > 1))
})
