import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, packageRoot, start, startClone, startShare } from '../../support/cli.ts'
import { type CommandResult, run } from '../../support/reading.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const oddNames = [
  '-dash',
  'emoji 🦉',
  'new\nline',
  'quo"te\'s',
  'at@2',
  'a\u2028b',
  'tab\t',
  'é',
  'e\u0301',
  'back`tick$(x)'
]
const largeOf = (seed: number) => bytesOf(3_000_000, seed)

/** Fills a folder with entries of every kind. */
function fill(source: string): void {
  mkdirSync(join(source, 'docs/deep'), { recursive: true })
  mkdirSync(join(source, 'nothing'))
  writeFileSync(join(source, 'docs/a.txt'), 'one\ntwo\nthree\n')
  writeFileSync(join(source, 'docs/deep/b.txt'), 'b')
  for (const name of ['docs!', 'docs.b', 'docs0']) writeFileSync(join(source, name), name)
  for (const name of oddNames) writeFileSync(join(source, name), `of ${name}`)
  writeFileSync(join(source, 'empty'), '')
  writeFileSync(join(source, 'large'), largeOf(1))
  symlinkSync('docs/a.txt', join(source, 'link'))
}

/** Makes three versions. @returns their numbers */
async function makeHistory(source: string, writer: Command): Promise<readonly [number, number, number]> {
  const first = (await writer.event('up-to-date')) as { readonly version?: number }
  const next = async (edit: () => void) => {
    const from = writer.events.length
    // The writer stands still, so that all changes become one version on any machine.
    process.kill(writer.pid, 'SIGSTOP')
    edit()
    process.kill(writer.pid, 'SIGCONT')
    return (await writer.event('published', () => true, from)).version
  }
  const second = await next(() => {
    renameSync(join(source, 'docs/deep/b.txt'), join(source, 'docs/deep/c.txt'))
    writeFileSync(join(source, 'docs/a.txt'), 'one\n2\nthree\n')
    rmSync(join(source, 'docs0'))
    writeFileSync(join(source, 'large'), largeOf(2))
  })
  await writer.event('up-to-date', ({ version }) => version === second)
  const third = await next(() => writeFileSync(join(source, 'later'), 'later'))
  await writer.event('up-to-date', ({ version }) => version === third)
  return [first.version ?? 0, second, third]
}

async function few<T>(acts: readonly (() => Promise<T>)[], atOnce = 3): Promise<T[]> {
  const results: T[] = []
  const left = [...acts.entries()].reverse()
  const work = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) results[next[0]] = await next[1]()
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

test('a running folder, a stopped folder and a key give the same answers', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, around] = [await t.tmp(), await t.tmp()]
  const [mirror, cache] = [join(around, 'mirror'), join(around, 'cache')]
  fill(source)
  const writer = await startShare(t, source, { bootstrap })
  const [v1, v2, v3] = await makeHistory(source, writer)
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync', ({ version }) => version === v3)

  const queries = (where: string): readonly (readonly string[])[] => [
    ['ls', where, '-R', '--json'],
    ['ls', `${where}@${v1}`, 'docs', '-R', '--json'],
    ['log', where, '--json'],
    ['diff', where, `@${v1}`, '@-1', '--json']
  ]
  const readAll = async (places: readonly (readonly string[])[], atOnce = 3) =>
    few(
      places.flatMap(([where = '', ...more]) =>
        queries(where).map((query) => async () => {
          const { status, stdout, stderr } = await run(t, [...query, ...more], { bootstrap })
          if (status !== 0) t.comment(stderr)
          return stdout
        })
      ),
      atOnce
    )
  const before = await readAll([[source], [mirror], [writer.key]])
  // In sequence: a cache belongs to one process at a time.
  before.push(...(await readAll([[writer.key, '--cache', cache]], 1)))
  await Promise.all([writer.kill('SIGTERM'), reader.kill('SIGTERM')])
  const after = await readAll([[source], [mirror]])
  const all = [...before, ...after]
  const ways = [
    'the source',
    'the mirror',
    'the key',
    'the key with a cache',
    'the stopped source',
    'the stopped mirror'
  ]
  for (const [i, way] of ways.entries())
    for (const [j, query] of queries('<where>').entries()) t.is(all[i * 4 + j], all[j], `${query.join(' ')}: ${way}`)

  const [list, old, log, diff] = all.map((text) =>
    text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  )
  const names = (list ?? []).filter(({ type }) => type === 'entry').map(({ path }) => path)
  const held = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((path) => !path.startsWith('.p2psync'))
  t.alike([...names].sort(), [...held].sort())
  t.alike(
    old?.map(({ path }) => path),
    [undefined, 'docs/a.txt', 'docs/deep', 'docs/deep/b.txt']
  )
  t.alike(
    log?.filter(({ type }) => type === 'version').map(({ version }) => version),
    [v3, v2, v1]
  )
  const changes = diff?.filter(({ metadata }) => metadata !== true).map(({ type, path }) => `${type} ${path}`)
  t.alike(changes, [
    'changed docs/a.txt',
    'patch docs/a.txt',
    'moved docs/deep/c.txt',
    'removed docs0',
    'patch docs0',
    'changed large',
    'patch large'
  ])
  matches(t, diff?.find(({ type }) => type === 'patch')?.text, /^-two$\n^\+2$/m)

  // The old content lay in place, so no peer has it now.
  const lost = await run(t, ['cat', `${source}@${v1}`, 'large'])
  t.is(lost.status, 13)
  t.is(lost.stdout, '')
  matches(
    t,
    lost.stderr,
    new RegExp(`content of large as of version ${v1}. Its source had it until version ${v2} .*NOT_HELD`)
  )
})

/** A stopped folder of three versions. */
async function stoppedHistory(t: Assert) {
  const source = join(await t.tmp(), 'folder')
  mkdirSync(source)
  fill(source)
  const writer = await startShare(t, source, {})
  const versions = await makeHistory(source, writer)
  await writer.kill('SIGTERM')
  const read = (...args: string[]) => run(t, args, { env: { TZ: 'UTC' } })
  return { source, versions, read }
}

test('a stopped folder is read by every form of version, path and place within it', async (t) => {
  const { source, versions, read } = await stoppedHistory(t)
  const [v1, v2] = versions
  const lines = ({ status, stdout, stderr }: CommandResult) =>
    status === 0 ? stdout.trimEnd().split('\n') : [`${status} ${stderr}`]
  const docs = ['a.txt', 'deep/']
  const timesOf = async () =>
    (await read('log', source, '--json')).records.flatMap(({ type, timeMs }) =>
      type === 'version' ? [Number(timeMs)] : []
    )
  const [, secondMs = 0] = await timesOf()
  const iso = new Date(secondMs).toISOString()
  const cases: ReadonlyArray<[args: readonly string[], lines: readonly string[]]> = [
    [['ls', source, 'docs'], docs],
    [['ls', source, './docs'], docs],
    [['ls', source, 'docs/'], docs],
    [['ls', source, '/docs/.'], docs],
    [['ls', join(source, 'docs')], docs],
    [['ls', join(source, 'docs'), '.'], docs],
    [['ls', `${join(source, 'docs')}/`, './deep'], ['c.txt']],
    [['ls', `${join(source, 'docs')}@${v1}`, 'deep'], ['b.txt']],
    [['ls', join(source, 'docs/deep'), '-R'], ['c.txt']],
    [
      ['ls', source, 'docs', '-R'],
      ['a.txt', 'deep/', 'deep/c.txt']
    ],
    [['ls', source, 'docs/a.txt'], ['docs/a.txt']],
    [['ls', source, 'link'], ['link -> docs/a.txt']],
    [['ls', source, 'nothing'], ['']],
    [['ls', `${source}@${v1}`, 'docs/deep'], ['b.txt']],
    [['ls', `${source}@-1`, 'docs/deep'], ['c.txt']],
    [['ls', `${source}@-2`, 'docs/deep'], ['b.txt']],
    [
      ['ls', `${source}@${iso}`, 'docs0'],
      [`1 p2psync: Version ${v2} has no docs0. p2psync log tells in which it was [NO_SUCH_PATH]\n`]
    ],
    [['ls', `${source}@${iso}`, 'docs/deep'], ['c.txt']],
    [['ls', `${source}@0s`, 'later'], ['later']],
    [['ls', source, '--', '-dash'], ['-dash']],
    [['cat', source, './-dash'], ['of -dash']],
    [
      ['cat', source, 'new\nline'],
      ['of new', 'line']
    ],
    [['cat', source, 'a\u2028b'], ['of a\u2028b']],
    [
      ['cat', `${source}@${v1}`, 'docs/a.txt'],
      ['one', 'two', 'three']
    ],
    [
      ['cat', join(source, 'docs'), 'a.txt'],
      ['one', '2', 'three']
    ],
    [['cat', source, 'empty'], ['']],
    [
      ['cat', source, 'docs/a.txt', '--bytes', '4-6'],
      ['2', 't']
    ],
    [['cat', source, 'docs/a.txt', '--bytes', '6-'], ['three']],
    [['cat', source, 'docs/a.txt', '--bytes', '-6'], ['three']],
    [
      ['cat', source, 'docs/a.txt', '--bytes', '-999'],
      ['one', '2', 'three']
    ],
    [['cat', source, 'docs/a.txt', '--bytes', '999-'], ['']],
    [['log', source, 'docs/deep/b.txt', '--json'], []],
    [['diff', source, '--stat'], ['']]
  ]
  const results = await few(
    cases.map(
      ([args]) =>
        () =>
          read(...args)
    )
  )
  for (const [i, [args, expected]] of cases.entries()) {
    if (expected.length > 0)
      t.alike(lines(results[i] as CommandResult), expected, args.join(' ').replace(source, '<folder>'))
  }
  const ofGone = results[cases.length - 2]?.records.map(({ type, path, version }) => `${type} ${version} ${path ?? ''}`)
  t.alike(ofGone, [`version ${v2} `, `moved ${v2} docs/deep/c.txt`, `version ${v1} `, `added ${v1} docs/deep/b.txt`])

  const hash = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  const target = join(await t.tmp(), 'got')
  t.is((await read('get', source, 'large', '--to', target)).status, 0)
  t.is(hash(readFileSync(target)), hash(largeOf(2)))
  for (const [range, start, end] of [
    ['1000000-1999999', 1e6, 2e6],
    ['-5', 2_999_995, 3e6],
    ['2999990-9999999', 2_999_990, 3e6]
  ] as const) {
    const part = start < end ? bytesPrinted(t, ['cat', source, 'large', '--bytes', range]) : Buffer.alloc(0)
    t.is(hash(part), hash(largeOf(2).subarray(start, end)), range)
  }
  t.is((await read('get', join(source, 'docs'), '--to', `${target}-dir`)).status, 0)
  t.alike(readdirSync(`${target}-dir`, { recursive: true, encoding: 'utf8' }).sort(), ['a.txt', 'deep', 'deep/c.txt'])
})

/** The bytes that a command prints. */
function bytesPrinted(t: Assert, args: readonly string[]): Buffer {
  const { stdout, status } = spawnSync(process.execPath, [join(packageRoot, 'dist/bin/p2psync.js'), ...args], {
    maxBuffer: 1e8
  })
  t.is(status, 0)
  return stdout
}

test('a failed read ends with an exit status and a message', async (t) => {
  const { source, read, versions } = await stoppedHistory(t)
  const empty = await t.tmp()
  const key = 'y'.repeat(52)
  const cases: ReadonlyArray<[args: readonly string[], status: number, says: RegExp]> = [
    [['ls'], 2, /missing required argument/],
    [['ls', source, 'docs/../..'], 2, /not a path within the folder/],
    [['ls', source, '.p2psync'], 2, /not a path within the folder/],
    [['cat', source, 'docs'], 2, /docs is a directory/],
    [['cat', source, 'link'], 2, /is a link to docs\/a.txt/],
    [['cat', source, '.'], 2, /./],
    [['cat', source, 'large', '--bytes', '5-4'], 2, /first and last byte/],
    [['cat', source, 'large', '--bytes', '-'], 2, /first and last byte/],
    [['log', source, '-n', '0'], 2, /at least 1/],
    [['log', source, '--since', 'yesterday'], 2, /Give a version/],
    [['diff', source, '@never'], 2, /"never" names no version/],
    [['diff', source, 'docs', 'more'], 2, /up to two versions/],
    [['ls', source, 'gone'], 1, /has no gone.*NO_SUCH_PATH/],
    [['cat', source, 'docs0'], 1, /has no docs0.*NO_SUCH_PATH/],
    [['ls', `${source}@999`], 1, /The latest is \d+ \[NO_SUCH_VERSION/],
    [['ls', `${source}@${versions[0] + 1}`], 1, /Near it are/],
    [['ls', `${source}@1970-01-02`], 1, /The log begins later/],
    [['ls', `${source}@-9`], 1, /There are only 3 versions/],
    [['ls', join(source, 'none')], 10, /There is no directory/],
    [['ls', empty], 10, /is not a folder of p2psync/],
    [['status', empty], 10, /is not a folder of p2psync/],
    [['pause', empty], 10, /is not a folder of p2psync/],
    [['ls', key.slice(1)], 12, /51 characters/],
    [['ls', `${key.slice(1)}l`], 12, /the character "l"/],
    [['ls', key, '--timeout', '100ms'], 13, /No peer was found/],
    [['watch', key, '--timeout', '100ms'], 13, /No peer was found/],
    [['wait', source, '--timeout', '100ms'], 13, /p2psync is not running on/],
    [['wait', source, '--version', '2h', '--timeout', '100ms'], 13, /p2psync is not running on/],
    [['peers', source], 1, /p2psync is not running on/],
    [['get', source, 'docs/a.txt', '--to', source], 1, /is there already/],
    [['get', source, 'docs/a.txt', '--to', join(empty, 'none/x')], 10, /There is no directory/]
  ]
  const results = await few(
    cases.map(
      ([args]) =>
        () =>
          read(...args)
    )
  )
  for (const [i, [args, status, what]] of cases.entries()) {
    const { status: got, stderr, stdout } = results[i] as CommandResult
    const name = args.join(' ').replace(source, '<folder>')
    t.is(got, status, name)
    matches(t, stderr, what)
    t.absent(/\n\s+at /.test(stderr), 'no stack trace')
    t.is(stdout, '')
  }
  const json = await read('ls', source, 'gone', '--json')
  t.alike(
    json.records.map(({ type, code }) => [type, code]),
    [['error', 'NO_SUCH_PATH']],
    'a missing path is reported before any record'
  )
})

test('a command ends quietly when its reader ends, and at once at Ctrl-C', async (t) => {
  const { source } = await stoppedHistory(t)
  const program = `${process.execPath} ${join(packageRoot, 'dist/bin/p2psync.js')}`
  for (const command of [
    `ls ${source} -R`,
    `log ${source} --all`,
    `cat ${source} large`,
    `inspect ${source} --from 1`
  ]) {
    const script = `set -o pipefail; ${program} ${command} 2>&1 >&3 3>&- | cat >&2; exit \${PIPESTATUS[0]}`
    const text = execFileSync('bash', ['-c', `exec 3> >(head -c 1 >/dev/null); ${script}`], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    t.is(text.toString(), '', command.replace(source, '<folder>'))
  }

  const watching = start(t, ['watch', source])
  await until(() => /following version/.test(watching.stderr), { what: 'the listing' })
  t.is(await watching.kill('SIGINT'), 130)
  const looking = start(t, ['ls', 'y'.repeat(52)], { bootstrap: 'none' })
  await until(() => hasStore(looking), { what: 'its store' })
  t.is(await looking.kill('SIGINT'), 130)
  t.absent(/UNEXPECTED/.test(looking.stderr + watching.stderr))
})

/** Whether a command has opened its temporary store for a key. */
function hasStore({ pid }: Command): boolean {
  const names = readdirSync(`/proc/${pid}/fd`)
  return names.some((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`).includes('p2psync-log-')
    } catch {
      return false // The descriptor was closed meanwhile.
    }
  })
}
