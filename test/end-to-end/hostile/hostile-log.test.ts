import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import type { Assert } from 'brittle'
import { type Command, startClone } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { directoryRecord, fileRecord, HostileWriter, linkRecord, uints } from '../../support/hostile-writer.ts'
import { snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

type Pair = readonly [key: string | Buffer, value: Buffer]
/** A key, its value, and the problem that it must cause. */
type Bad = readonly [key: string | Buffer, value: Buffer, says: RegExp]

/** A hostile writer, and a place for a mirror surrounded by files that must not be touched. */
async function openScene(t: Assert) {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const writer = await HostileWriter.open(t, addresses)
  const around = await t.tmp()
  mkdirSync(join(around, 'outside'))
  for (const name of ['canary', 'outside/canary', 'escaped']) writeFileSync(join(around, name), `${name} is mine`)
  const mirror = join(around, 'mirror')
  const outside = () => new Map([...snapshot(around)].filter(([path]) => path.split('/')[0] !== 'mirror'))
  const before = outside()
  return {
    writer,
    mirror,
    around,
    bootstrap,
    follow: (args: readonly string[] = []) => startClone(t, writer.key, mirror, { bootstrap, args }),
    /** Asserts that nothing outside the mirror has changed, and nothing in it has more than permission bits. */
    mustBeHarmless: () => {
      t.alike(outside(), before, 'nothing outside the mirror has changed')
      const special = [...snapshot(mirror).keys()].filter((path) => {
        const stats = lstatSync(join(mirror, path))
        return (stats.mode & 0o7000) !== 0 || !(stats.isFile() || stats.isDirectory() || stats.isSymbolicLink())
      })
      t.alike(special, [], 'nothing is set-user-id, set-group-id, sticky or a device')
    }
  }
}

function badPaths(good: Buffer): Bad[] {
  const keys: readonly (readonly [key: string | Buffer, says: RegExp])[] = [
    ['..', /"\.\."/],
    ['../escaped', /"\.\."/],
    ['dir/../../escaped', /"\.\."/],
    ['dir/./x', /"\."/],
    ['/etc/p2psync-was-here', /absolute/],
    ['dir//x', /empty name/],
    ['dir/', /empty name/],
    ['nul\0name', /NUL/],
    ['dir\\..\\x', /backslash/],
    ['n'.repeat(256), /longer than 255/],
    [`${'dir/'.repeat(1023)}long`, /longer than 4095/],
    ['.p2psync/folder.json', /reserved/],
    ['.p2psync/staging/x', /reserved/],
    ['.P2PSync/x', /reserved/],
    [Buffer.of(0x62, 0xff, 0xfe), /not UTF-8/]
  ]
  return keys.map(([key, says]) => [key, good, says])
}

async function badRecords(writer: HostileWriter): Promise<Bad[]> {
  const bare = (at: readonly number[]) => ({ extents: [at] })
  const block = await writer.block('ten bytes.')
  const [, index = 0] = block
  const [, large = 0] = await writer.block(Buffer.alloc(3 * 1024 * 1024))
  const [, bomb = 0] = await writer.block(Buffer.concat([Buffer.of(1), bombOf(256 * 1024 * 1024)]))
  const [, noPack = 0] = await writer.block('\x07 is no pack')
  const packed = (at: number) => fileRecord('ten bytes.', bare([1, at, 1, 0, 10]))
  return [
    ['record-empty', Buffer.alloc(0), /ends too early/],
    ['record-garbage', Buffer.from('\x01\x01garbage'), /Refused/],
    ['record-cut', (await writer.goodFile('cut')).subarray(0, 30), /ends too early/],
    ['type-unknown', uints(1, 9, 0, 0o644), /unknown type 9/],
    ['type-device', uints(1, 4, 0, 0o666, 1, 3), /unknown type 4/],
    ['mode-setuid', fileRecord('ten bytes.', { ...bare(block), mode: 0o4755 }), /mode 4755/],
    ['mode-setgid', fileRecord('ten bytes.', { ...bare(block), mode: 0o2755 }), /mode 2755/],
    ['mode-sticky', directoryRecord(0o1777), /mode 1777/],
    ['mode-device', fileRecord('ten bytes.', { ...bare(block), mode: 0o20666 }), /mode 20666/],
    ['size-negative', fileRecord('ten bytes.', { ...bare(block), size: -1 }), /out of range|ends too early/],
    ['size-huge', fileRecord('ten bytes.', { ...bare([0, index, 1, 0, 2 ** 52]), size: 2 ** 52 }), /size out of range/],
    ['size-else', fileRecord('ten bytes.', { ...bare(block), size: 11 }), /extents of 10 bytes for a file of 11/],
    ['size-lie', fileRecord('ten bytes.', { ...bare([0, index, 1, 0, 11]), size: 11 }), /reaches beyond its blocks/],
    ['extent-negative', fileRecord('ten bytes.', bare([0, -1, 1, 0, 10])), /out of range|ends too early/],
    ['extent-outside', fileRecord('ten bytes.', bare([0, 1000, 1, 0, 10])), /outside the content core/],
    ['extent-beyond', fileRecord('ten bytes.', bare([0, index, 1, 10, 10])), /begins beyond its block/],
    ['extent-pack', fileRecord('ten bytes.', bare([1, index, 1, 0, 10])), /pack is too large or of an unknown kind/],
    [
      'extent-overlap',
      fileRecord(Buffer.alloc(10_000), {
        extents: [
          [0, large, 1, 0, 5000],
          [0, large, 1, 1, 5000]
        ]
      }),
      /overlap in part/
    ],
    [
      'extents-tiny',
      fileRecord('ten bytes.', { extents: [0, 2, 4, 6, 8].map((at) => [0, index, 1, at, 2]) }),
      /too many/
    ],
    ['hash-wrong', fileRecord('ten bytes.', { ...bare(block), hash: hashOf('something else') }), /hash of its entry/],
    ['hash-of-nothing', fileRecord('', { hash: hashOf('something') }), /not that of nothing/],
    [
      'block-large',
      fileRecord(Buffer.alloc(3 * 1024 * 1024), bare([0, large, 1, 0, 3 * 1024 * 1024])),
      /over the limit/
    ],
    ['pack-bomb', packed(bomb), /does not unpack/],
    ['pack-none', packed(noPack), /unknown kind/],
    ['link-nul', linkRecord('a\0b'), /not text/],
    ['link-long', linkRecord('l'.repeat(4096)), /too long/],
    ['link-empty', linkRecord(''), /without a target/],
    ['link-bytes', linkRecord(Buffer.of(0xff, 0xfe)), /not text/]
  ]
}

function bombOf(bytes: number): Buffer {
  return brotliCompressSync(Buffer.alloc(bytes), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
}

function problemsOf(command: Command): { readonly path: string; readonly message: string }[] {
  return command.events.filter((event) => event.type === 'problem')
}

test('bad entries of a log are refused one by one, and the good ones arrive', async (t) => {
  const { writer, mirror, around, follow, mustBeHarmless } = await openScene(t)
  const good: Pair[] = [
    ['a good file', await writer.goodFile('first')],
    ['dir', directoryRecord()],
    ['dir/good', await writer.goodFile('in the middle')],
    ['link', linkRecord(join(around, 'outside/canary'))],
    ['m\u001b[31m good', await writer.goodFile('escaped')],
    ['up', linkRecord('../../../..')],
    ['way', linkRecord(join(around, 'outside'))],
    ['zz good', await writer.goodFile('last')]
  ]
  const bad: Bad[] = [
    ...badPaths(await writer.goodFile('bad')),
    ...(await badRecords(writer)),
    ['a good file/beneath', await writer.goodFile('beneath a file'), /no directory a good file/],
    ['link/beneath', await writer.goodFile('beneath a link to a file'), /no directory link/],
    ['up/escaped', await writer.goodFile('beneath a link upwards'), /no directory up/],
    ['way/canary', await writer.goodFile('beneath a link'), /no directory way/],
    ['way/new', directoryRecord(), /no directory way/],
    ['way/new/file', await writer.goodFile('deep beneath a link'), /no directory way\/new/],
    ['orphan/child', await writer.goodFile('without a directory'), /no directory orphan/]
  ]
  await writer.putWithHead([...good, ...bad.map(([key, value]) => [key, value] as const)])
  const reader = follow(['--once'])
  t.is(await reader.exit(), 3)

  const problems = problemsOf(reader)
  for (const [key, , says] of bad) {
    const path = typeof key === 'string' ? key : key.toString('latin1')
    const found = problems.filter((problem) => problem.path === path)
    t.ok(
      found.length === 1 && says.test(found[0]?.message ?? ''),
      `${JSON.stringify(path.slice(0, 30))}: ${found[0]?.message}`
    )
  }
  t.is(problems.length, bad.length, 'nothing else is reported')
  const names = good.map(([key]) => String(key))
  t.alike([...snapshot(mirror).keys()].sort(), names.sort(), 'only the good entries are there')
  t.is(readFileSync(join(mirror, 'zz good'), 'utf8'), 'last')
  t.is(readlinkSync(join(mirror, 'up')), '../../../..', 'the target of a link is kept as data')
  t.absent(existsSync('/etc/p2psync-was-here'))
  mustBeHarmless()
})

test('a bad entry that replaces a good one leaves the old file, live and after a restart', async (t) => {
  const { writer, mirror, follow, mustBeHarmless } = await openScene(t)
  const at = (path: string) => join(mirror, path)
  await writer.putWithHead([
    ['file', await writer.goodFile('the good one')],
    ['other', await writer.goodFile('another')],
    ['tree', directoryRecord()],
    ['tree/leaf', await writer.goodFile('leaf')]
  ])
  const reader = follow()
  await reader.event('in-sync')
  await writer.putWithHead([
    ['file', fileRecord('evil', { extents: [await writer.block('evil')], mode: 0o4777 })],
    ['other', fileRecord('evil', { extents: [await writer.block('else')] })],
    ['tree/leaf/x', await writer.goodFile('beneath a file')],
    ['new', await writer.goodFile('new')]
  ])
  await until(() => existsSync(at('new')), { what: 'the good entry' })
  await until(() => problemsOf(reader).length >= 3, { what: 'the problems' })
  t.alike(
    problemsOf(reader)
      .map(({ path }) => path)
      .sort(),
    ['file', 'other', 'tree/leaf/x']
  )
  const isOld = () => {
    t.is(readFileSync(at('file'), 'utf8'), 'the good one')
    t.is(readFileSync(at('other'), 'utf8'), 'another')
    t.is(readFileSync(at('tree/leaf'), 'utf8'), 'leaf')
  }
  isOld()
  await reader.kill('SIGTERM')
  const again = follow(['--once'])
  t.is(await again.exit(), 3)
  isOld()
  mustBeHarmless()
})

test('a directory that becomes a link changes nothing outside the mirror', async (t) => {
  const { writer, mirror, around, follow, mustBeHarmless } = await openScene(t)
  await writer.putWithHead([
    ['d', directoryRecord()],
    ['d/canary', await writer.goodFile('the log’s')]
  ])
  const reader = follow()
  await reader.event('in-sync')
  // The child's entry stays in the log, beneath a path that is now a link.
  await writer.putWithHead([['d', linkRecord(join(around, 'outside'))]])
  await until(
    () => problemsOf(reader).length > 0 || lstatSync(join(mirror, 'd'), { throwIfNoEntry: false })?.isSymbolicLink(),
    {
      what: 'a reaction'
    }
  )
  await writer.putWithHead([['d/canary', await writer.goodFile('changed beneath a link')]])
  await writer.putWithHead([['d/canary', undefined]])
  await writer.putWithHead([['done', await writer.goodFile('done')]])
  await until(() => existsSync(join(mirror, 'done')), { what: 'the last version' })
  t.is(readFileSync(join(around, 'outside/canary'), 'utf8'), 'outside/canary is mine')
  mustBeHarmless()
})

test('--safe-links refuses links that could lead out, also those created before', async (t) => {
  const { writer, mirror, around, follow, mustBeHarmless } = await openScene(t)
  const unsafe: readonly Pair[] = [
    ['absolute', linkRecord(join(around, 'canary'))],
    ['d/up', linkRecord('../../canary')],
    ['over', linkRecord('d/../../canary')]
  ]
  const safe: readonly Pair[] = [
    ['d', directoryRecord()],
    ['d/near', linkRecord('../file')],
    ['file', await writer.goodFile('file')]
  ]
  await writer.putWithHead([...unsafe, ...safe])
  const reader = follow(['--once', '--safe-links'])
  t.is(await reader.exit(), 3)
  t.alike([...snapshot(mirror).keys()].sort(), ['d', 'd/near', 'file'])
  t.ok(problemsOf(reader).every(({ message }) => message.startsWith('Refused by --safe-links: ')))
  t.alike(
    problemsOf(reader)
      .map(({ path }) => path)
      .sort(),
    ['absolute', 'd/up', 'over']
  )

  t.is(await follow(['--once']).exit(), 0, 'without the option links are created unchanged')
  t.is(readlinkSync(join(mirror, 'over')), 'd/../../canary')
  const again = follow(['--once', '--safe-links'])
  t.is(await again.exit(), 3, 'existing links stay, but are reported')
  t.alike(
    problemsOf(again)
      .map(({ path }) => path)
      .sort(),
    ['absolute', 'd/up', 'over']
  )
  mustBeHarmless()
})
