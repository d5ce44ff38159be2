import {
  appendFileSync,
  closeSync,
  cpSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { type ClonedFolder, clone, type SharedFolder, share } from '../../../src/index.ts'
import { bytesOf } from '../../support/bytes.ts'
import { differences } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

const mib = 2 ** 20

interface Pair {
  readonly source: string
  readonly mirror: string
  readonly shared: SharedFolder
  readonly cloned: ClonedFolder
  /** Bytes that the mirror received since the last call. */
  received(): number
}

/** A folder with a file of 40 MiB, and a mirror of it. */
async function openPair(t: Assert, { inPlaceAbove }: { readonly inPlaceAbove?: number } = {}): Promise<Pair> {
  const { addresses: bootstrap } = await startTestnet(t)
  const options = { bootstrap, lan: false, ...(inPlaceAbove === undefined ? {} : { inPlaceAbove }) }
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  writeFileSync(join(source, 'large'), bytesOf(40 * mib))
  const shared = share(source, options)
  t.teardown(() => shared.close())
  await shared.ready()
  const cloned = clone(shared.key, mirror, options)
  t.teardown(() => cloned.close())
  const inSync = cloned.inSync()
  await cloned.ready()
  await inSync
  let before = cloned.traffic.received
  const received = () => {
    const bytes = cloned.traffic.received - before
    before = cloned.traffic.received
    return bytes
  }
  return { source, mirror, shared, cloned, received }
}

function bytesIn(directory: string): number {
  let bytes = 0
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(directory, name))
    // The space that the database reserves for its write-ahead log holds no content.
    if (stats.isFile()) bytes += Math.min(stats.size, stats.blocks * 512)
  }
  return bytes
}

/** As `waitUntilEqual`, but reads the contents once: repeated reads of large files would slow the folders down. */
async function waitUntilAlike(t: Assert, a: string, b: string): Promise<void> {
  const statLines = (root: string) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.startsWith('.p2psync'))
      .map((name) => [name, lstatSync(join(root, name))] as const)
      .map(([name, stats]) => `${name} ${stats.isFile() ? `${stats.size} ${Math.floor(stats.mtimeMs)}` : ''}`)
      .sort()
      .join()
  const same = () => {
    try {
      return statLines(a) === statLines(b)
    } catch {
      return false // A file vanished during the comparison.
    }
  }
  await until(same, { what: 'the same trees' }).catch(() => {})
  t.alike(differences(a, b), [])
}

function overwrite(path: string, bytes: Uint8Array, at: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}

test('a large file occupies its space once on each side', async (t) => {
  const { source, mirror } = await openPair(t)
  t.alike(differences(source, mirror), [])
  for (const folder of [source, mirror]) {
    const bytes = bytesIn(join(folder, '.p2psync'))
    t.ok(bytes < 20 * mib, `${bytes} bytes in ${folder}`)
  }
  t.alike(readdirSync(join(mirror, '.p2psync/staging')), [])
})

test('with all content in the log it occupies its space twice', async (t) => {
  const { source, mirror } = await openPair(t, { inPlaceAbove: Number.POSITIVE_INFINITY })
  t.alike(differences(source, mirror), [])
  for (const folder of [source, mirror]) t.ok(bytesIn(join(folder, '.p2psync')) > 40 * mib)
})

test('content in the log is compressed chunk by chunk', async (t) => {
  const { source, mirror, received } = await openPair(t, { inPlaceAbove: Number.POSITIVE_INFINITY })
  const numbers = new Uint32Array(bytesOf(400_000).buffer)
  const lines = Array.from(numbers, (number) => `${number % 100_000} of the same words, again and again\n`)
  const text = Buffer.from(lines.join(''))
  t.ok(text.length > 3 * mib)
  for (const [name, content] of [
    ['small', text.subarray(0, 900_000)],
    ['several chunks', text],
    ['one, moved and changed', Buffer.concat([Buffer.from('in front\n'), text, Buffer.from('behind\n')])]
  ] as const) {
    received()
    writeFileSync(join(source, name), content)
    await waitUntilAlike(t, source, mirror)
    const bytes = received()
    t.ok(bytes < 0.6 * content.length, `${bytes} bytes for ${content.length}`)
  }
})

const edits: ReadonlyArray<[what: string, edit: (path: string) => void, mibMax: number]> = [
  ['overwritten in the middle', (path) => overwrite(path, bytesOf(4096, 7), 20 * mib), 5],
  ['appended to', (path) => appendFileSync(path, bytesOf(mib, 8)), 5],
  ['cut off', (path) => truncateSync(path, 30 * mib), 3],
  ['inserted into at the front', (path) => writeFileSync(path, Buffer.concat([Buffer.of(1), readFileSync(path)])), 5],
  [
    'replaced by one that is the same in its second half',
    (path) => {
      writeFileSync(`${path}~`, Buffer.concat([bytesOf(mib, 9), readFileSync(path).subarray(20 * mib)]))
      renameSync(`${path}~`, path)
    },
    6
  ]
]
test('only the new bytes of a large file are transferred', async (t) => {
  const { source, mirror, received } = await openPair(t)
  for (const [what, edit, mibMax] of edits) {
    edit(join(source, 'large'))
    await waitUntilAlike(t, source, mirror)
    const bytes = received()
    t.ok(bytes < mibMax * mib, `${what}: ${bytes} bytes were received`)
  }
})

test('a renamed and copied large file is not transferred again, and a second mirror receives it', async (t) => {
  const { source, mirror, shared, received } = await openPair(t)
  mkdirSync(join(source, 'directory'))
  renameSync(join(source, 'large'), join(source, 'directory/renamed'))
  await waitUntilAlike(t, source, mirror)
  cpSync(join(source, 'directory/renamed'), join(source, 'copy'))
  await waitUntilAlike(t, source, mirror)
  rmSync(join(source, 'directory'), { recursive: true })
  await waitUntilAlike(t, source, mirror)
  const bytes = received()
  t.ok(bytes < mib, `${bytes} bytes were received`)

  const other = join(await t.tmp(), 'other')
  await shared.close()
  const { addresses: bootstrap } = await startTestnet(t)
  const again = share(source, { bootstrap, lan: false })
  t.teardown(() => again.close())
  await again.ready()
  const cloned = clone(again.key, other, { bootstrap, lan: false })
  t.teardown(() => cloned.close())
  const inSync = cloned.inSync()
  await cloned.ready()
  await inSync
  t.alike(differences(source, other), [], 'a restarted mirror serves it too')
})

test('a mirror serves the content of its folder without the source', async (t) => {
  const { source, mirror, shared, cloned } = await openPair(t)
  const { key } = shared
  await shared.close()
  await cloned.close()
  // The remembered state of the folder is lost, too.
  rmSync(join(mirror, '.p2psync/state'), { recursive: true })
  const { addresses: bootstrap } = await startTestnet(t)
  const options = { bootstrap, lan: false }
  const first = clone(key, mirror, options)
  t.teardown(() => first.close())
  await first.ready()
  const other = join(await t.tmp(), 'other')
  const second = clone(key, other, options)
  t.teardown(() => second.close())
  await second.ready()
  await waitUntilAlike(t, source, other)
})

test('a mirror never serves local edits', async (t) => {
  const { source, mirror, shared } = await openPair(t)
  const { key } = shared
  await shared.close()
  overwrite(join(mirror, 'large'), bytesOf(4096, 7), 20 * mib)
  const { addresses: bootstrap } = await startTestnet(t)
  const other = join(await t.tmp(), 'other')
  const again = clone(key, other, { bootstrap, lan: false })
  t.teardown(() => again.close())
  await again.ready()
  const back = share(source, { bootstrap, lan: false })
  t.teardown(() => back.close())
  await back.ready()
  await waitUntilAlike(t, source, other)
  t.ok(differences(source, mirror).length > 0)
})

test('a file that changes during its download arrives in its final state', async (t) => {
  const { source, mirror, cloned } = await openPair(t)
  writeFileSync(join(source, 'second'), bytesOf(60 * mib, 3))
  cloned.limit({ down: 30 * mib })
  let times = 0
  const staging = join(mirror, '.p2psync/staging')
  await until(() => readdirSync(staging).some((name) => name.startsWith('part-')), { what: 'the download to start' })
  for (; times < 4; times++) {
    overwrite(join(source, 'second'), bytesOf(8 * mib, 10 + times), times * 12 * mib)
    const before = cloned.traffic.received
    await until(() => cloned.traffic.received - before > 2 * mib, { what: 'more bytes of the file' })
  }
  cloned.limit({})
  await waitUntilAlike(t, source, mirror)
  await until(() => readdirSync(staging).length === 0, { what: 'the partial download to be removed' })
  t.pass()
})
