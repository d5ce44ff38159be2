import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, startClone, startShare } from '../../support/cli.ts'
import { type Host, namespaceTest, openLan } from '../../support/namespaces.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { until } from '../../support/until.ts'

const megabyte = 1_000_000
const syncMs = 120_000

/** The seed of a file's bytes: an even seed and the next yield the same bytes. */
const seedOf = (index: number) => 2 * index + 1

interface Scene {
  readonly hosts: readonly Host[]
  /** The source's directory. */
  readonly source: string
  /** The mirror's directory of a host. */
  mirror(host: Host): string
  share(host: Host, ...args: readonly string[]): Promise<Command>
  clone(host: Host, ...args: readonly string[]): Command
}

/** Hosts on a network of their own, a source with these files, and functions that start its writer and readers. */
async function openScene(t: Assert, count: number, files: Readonly<Record<string, Buffer>>): Promise<Scene> {
  const hosts = openLan(t, count)
  const [source, mirrors] = [await t.tmp(), await t.tmp()]
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(source, name), bytes)
  let key = ''
  const mirror = ({ name }: Host) => join(mirrors, name)
  return {
    hosts,
    source,
    mirror,
    async share(host, ...args) {
      const writer = await startShare(t, source, { bootstrap: 'none', host, args })
      key = writer.key
      return writer
    },
    clone: (host, ...args) => startClone(t, key, mirror(host), { bootstrap: 'none', host, args })
  }
}

/** Publishes the folder from the first host and clones it on the others, then stops all of them. */
async function distribute({ share, clone }: Scene, [first, ...others]: readonly Host[]): Promise<void> {
  const writer = await share(first as Host)
  const readers = others.map((host) => clone(host))
  for (const command of readers) await waitForSync(command)
  for (const command of [...readers, writer]) await command.kill('SIGTERM')
}

/** Waits until a mirror is in sync, with a deadline for slow links. */
async function waitForSync(command: Command, from = 0): Promise<void> {
  const isThere = () => command.events.slice(from).some(({ type }) => type === 'in-sync') || !command.running
  await until(isThere, { what: `a mirror in sync\n${command.stderr}`, ms: syncMs })
  await command.event('in-sync', () => true, from)
}

/** Waits until a mirror has fetched this many bytes. */
async function waitForFetched(command: Command, bytes: number): Promise<void> {
  await command.event('progress', (event) => event.phase === 'fetch' && event.bytes >= bytes)
}

/** Bytes that a host has sent so far, overhead included. */
function sentBy(host: Host): number {
  const counters = /eth0:\s*(.*)/.exec(host.run('cat', '/proc/net/dev'))?.[1]?.split(/\s+/)
  return Number(counters?.[8])
}

namespaceTest('three sources each send a third, and no byte twice', async (t) => {
  const bytes = 24 * megabyte
  const scene = await openScene(t, 4, { large: bytesOf(bytes / 2) })
  for (let i = 0; i < 40; i++) writeFileSync(join(scene.source, `${i}`), bytesOf(bytes / 80, seedOf(i + 1)))
  const [a, b, c, d] = scene.hosts as [Host, Host, Host, Host]
  const sources = [a, b, c]
  await distribute(scene, sources)

  const limit = ['--limit-up', '1M']
  await scene.share(a, ...limit)
  for (const source of [scene.clone(b, ...limit), scene.clone(c, ...limit)]) await waitForSync(source)
  const before = sources.map(sentBy)
  await waitForSync(scene.clone(d))
  const shares = sources.map((host, i) => (sentBy(host) - (before[i] as number)) / bytes)
  t.comment(`shares of the contents: ${shares.map((share) => share.toFixed(2)).join(', ')}`)
  // With links of equal rate the largest share determines the duration. On an idle machine each source sends a
  // third; a delayed source leaves more to the others.
  t.ok(Math.max(...shares) <= 0.5, `no source sends over half`)
  await waitUntilEqual(t, scene.source, scene.mirror(d))
})

namespaceTest('small files arrive from three sources at once', async (t) => {
  const [files, bytes] = [2000, 16_000]
  const scene = await openScene(t, 4, {})
  for (let i = 0; i < files; i++) writeFileSync(join(scene.source, `${i}`), bytesOf(bytes, seedOf(i)))
  const [a, b, c, d] = scene.hosts as [Host, Host, Host, Host]
  const sources = [a, b, c]
  await distribute(scene, sources)

  const limit = ['--limit-up', '1M']
  await scene.share(a, ...limit)
  for (const source of [scene.clone(b, ...limit), scene.clone(c, ...limit)]) await waitForSync(source)
  const before = sources.map(sentBy)
  const reader = scene.clone(d)
  await waitForSync(reader)
  const shares = sources.map((host, i) => (sentBy(host) - (before[i] as number)) / (files * bytes))
  t.comment(`shares of the contents: ${shares.map((share) => share.toFixed(2)).join(', ')}`)
  t.ok(Math.max(...shares) <= 0.5, 'no source sends over half')
  await waitUntilEqual(t, scene.source, scene.mirror(d))
})

namespaceTest(
  'readers complete each other while the writer is off, and the rest arrives when it is back',
  async (t) => {
    const [first, second, third] = [1, 2, 3].map((i) => bytesOf(8 * megabyte, seedOf(i))) as [Buffer, Buffer, Buffer]
    const scene = await openScene(t, 3, { first })
    const [a, b, c] = scene.hosts as [Host, Host, Host]
    const { source } = scene
    // One reader fetches the first file, and stops.
    await distribute(scene, [a, b])
    // Another has fetched only the second file, and knows of the others, when the writer stops.
    rmSync(join(source, 'first'))
    writeFileSync(join(source, 'second'), second)
    const writer = await scene.share(a)
    await writer.event('up-to-date')
    const slow = scene.clone(c)
    await waitForSync(slow)
    await slow.kill('SIGTERM')
    writeFileSync(join(source, 'first'), first)
    writeFileSync(join(source, 'third'), third)
    await writer.event('published', ({ files }) => files === 3)
    const slower = scene.clone(c, '--limit-down', '100k')
    await slower.event('progress', ({ phase, filesTotal }) => phase === 'fetch' && filesTotal > 0)
    await writer.kill('SIGKILL')
    await slower.kill('SIGTERM')

    const before = [sentBy(b), sentBy(c)] as const
    const readers = [scene.clone(b), scene.clone(c)] as const
    const exchanged = () => [sentBy(b) - before[0], sentBy(c) - before[1]].every((bytes) => bytes > 7 * megabyte)
    await until(exchanged, { what: 'each half at the other reader', ms: syncMs })
    t.absent(
      readers.some(({ events }) => events.some(({ type }) => type === 'in-sync')),
      'the third file is missing'
    )
    await scene.share(a)
    for (const reader of readers) await waitForSync(reader)
    for (const host of [b, c]) await waitUntilEqual(t, source, scene.mirror(host))
  }
)

namespaceTest('a folder is cloned from a reader while the writer is off', async (t) => {
  const scene = await openScene(t, 3, { file: bytesOf(3 * megabyte) })
  const [a, b, c] = scene.hosts as [Host, Host, Host]
  await distribute(scene, [a, b])
  scene.clone(b)
  await waitForSync(scene.clone(c))
  await waitUntilEqual(t, scene.source, scene.mirror(c))
})

namespaceTest('a slow source delays nothing', async (t) => {
  const scene = await openScene(t, 3, { file: bytesOf(16 * megabyte) })
  const [a, b, c] = scene.hosts as [Host, Host, Host]
  await distribute(scene, [a, b])
  const writer = await scene.share(a, '--limit-up', '10k')
  await waitForSync(scene.clone(b))
  await writer.event('peer')
  const before = sentBy(a)
  const reader = scene.clone(c)
  await waitForSync(reader)
  const sent = sentBy(a) - before
  t.comment(`the slow source sent ${sent} bytes`)
  // No block is smaller: a reader waiting for one would receive more than this.
  t.ok(sent < 120_000, 'nobody waited for a block from it')
  t.is(new Set(reader.events.flatMap((event) => (event.type === 'peer' ? [event.peer] : []))).size, 2)
  await waitUntilEqual(t, scene.source, scene.mirror(c))
})

/** Starts measuring. @returns a function for the longest time, in milliseconds, without notable incoming bytes */
function longestPause({ pid }: Command): () => number {
  const received = () => Number(/eth0:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))?.[1])
  let [longestMs, lastMs, before] = [0, performance.now(), received()]
  const timer = setInterval(() => {
    const now = received()
    if (now - before >= 50_000) [lastMs, before] = [performance.now(), now]
    longestMs = Math.max(longestMs, performance.now() - lastMs)
  }, 50)
  timer.unref()
  return () => {
    clearInterval(timer)
    return longestMs
  }
}

/** Ways in which a source may disappear while it sends. */
const ends: ReadonlyArray<[name: string, end: (host: Host, source: Command) => unknown]> = [
  ['is killed', (_, source) => source.kill('SIGKILL')],
  ['stops', (_, source) => source.kill('SIGTERM')],
  ['falls silent', (host) => host.cable(false)]
]

for (const [name, end] of ends) {
  namespaceTest(`the other source takes over when one ${name}`, async (t) => {
    const scene = await openScene(t, 3, { file: bytesOf(16 * megabyte) })
    const [a, b, c] = scene.hosts as [Host, Host, Host]
    await distribute(scene, [a, b])
    await scene.share(a, '--limit-up', '1M')
    const source = scene.clone(b, '--limit-up', '1M')
    await waitForSync(source)
    const reader = scene.clone(c)
    await reader.event('peer', ({ peers }) => peers === 2)
    await waitForFetched(reader, 2 * megabyte)
    const [from, before] = [reader.events.length, sentBy(a)]
    await end(b, source)
    const pauseMs = longestPause(reader)
    await waitForFetched(reader, 12 * megabyte)
    t.comment(`longest time without notable incoming bytes: ${Math.round(pauseMs())} ms`)
    await waitForSync(reader)
    await reader.event('peer', ({ state }) => state === 'disconnected', from)
    t.ok(sentBy(a) - before > 4 * megabyte, 'the other source sent the rest')
    await waitUntilEqual(t, scene.source, scene.mirror(c))
  })
}

namespaceTest('ten readers on one machine: each pair connects once, and all are in sync', tenReaders, {
  byItself: true
})

async function tenReaders(t: Assert): Promise<void> {
  const [host] = openLan(t, 1) as [Host]
  const [source, mirrors] = [await t.tmp(), await t.tmp()]
  mkdirSync(join(source, 'directory'))
  for (let i = 0; i < 50; i++) writeFileSync(join(source, 'directory', `${i}`), bytesOf(100_000, seedOf(i)))
  const writer = await startShare(t, source, { bootstrap: 'none', host })
  const startMs = performance.now()
  const names = Array.from({ length: 10 }, (_, i) => join(mirrors, `${i}`))
  const readers = names.map((mirror) => startClone(t, writer.key, mirror, { bootstrap: 'none', host }))
  for (const reader of readers) await waitForSync(reader)
  t.comment(`all in sync after ${Math.round(performance.now() - startMs)} ms`)
  const from = readers.map(({ events }) => events.length)
  writeFileSync(join(source, 'news'), 'news')
  for (const [i, reader] of readers.entries()) await waitForSync(reader, from[i])
  for (const mirror of names) await waitUntilEqual(t, source, mirror)

  const all = [writer, ...readers]
  const peersWith = (command: Command, state: string) =>
    command.events.flatMap((event) => (event.type === 'peer' && event.state === state ? [event.peer] : []))
  await until(() => all.every((command) => peersWith(command, 'connected').length >= 10), { what: 'all pairs' })
  for (const command of all) {
    const connected = peersWith(command, 'connected')
    t.is(connected.length, 10, 'ten connections')
    t.is(new Set(connected).size, 10, 'to ten different peers')
    t.alike(peersWith(command, 'disconnected'), [], 'no connection was lost')
  }
}
