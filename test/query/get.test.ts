import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { SyncError } from '../../src/errors.ts'
import { type GetParams, type GetRecord, get, type Readable } from '../../src/query/get.ts'
import { fieldsOf } from '../../src/query/records.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { directoryOf, fileOf, someTimeMs, symlinkOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { until } from '../support/until.ts'

const version = {
  type: 'version',
  version: 7,
  fork: 0,
  timeMs: 0,
  files: 0,
  directories: 0,
  symlinks: 0,
  bytes: 0
} as const

/** A log that lists these entries, whatever is asked for, and has these contents. */
function logOf(entries: readonly (readonly [path: string, Entry])[], contents: Readonly<Record<string, string>>) {
  const asked: string[] = []
  const log: Readable = {
    async *list() {
      yield version
      for (const [path, entry] of entries) yield { type: 'entry', ...fieldsOf(path, entry) } as const
    },
    async *content({ path, version }) {
      asked.push(`${path}@${version}`)
      const text = contents[path]
      if (text === undefined) throw new SyncError('NOT_HELD', `Nobody has ${path}`)
      for (const letter of text) yield Buffer.from(letter)
    }
  }
  return { log, asked }
}

const { signal } = new AbortController()

async function gotten(log: Readable, params: GetParams): Promise<GetRecord[]> {
  const records: GetRecord[] = []
  for await (const record of get(log, params, signal)) records.push(record)
  return records
}

const problemsIn = (records: readonly GetRecord[]) =>
  records.flatMap((record) => (record.type === 'problem' ? [record.path] : []))

async function place(t: Assert) {
  const root = await t.tmp()
  return { root, to: join(root, 'to'), left: () => readdirSync(root).sort() }
}

test('a directory is written with modes, times and links, all of one version', async (t) => {
  const { to, left } = await place(t)
  const { log, asked } = logOf(
    [
      ['sub/deep', directoryOf({ mode: 0o500, mtimeMs: someTimeMs })],
      ['sub/deep/file', fileOf('content', { mode: 0o640 })],
      ['sub/empty', fileOf('', { mode: 0o400 })],
      ['sub/link', symlinkOf('/etc/passwd')]
    ],
    { 'sub/deep/file': 'content', 'sub/empty': '' }
  )
  for (const path of ['sub', './sub/', '/sub']) {
    const at = `${to}${asked.length}`
    const records = await gotten(log, { path, to: at })
    t.alike(records.at(-1), { type: 'got', to: at, version: 7, files: 3, bytes: 7, problems: 0 })
    t.is(readFileSync(join(at, 'deep/file'), 'utf8'), 'content')
    t.is(lstatSync(join(at, 'deep/file')).mode & 0o777, 0o640)
    t.is(Math.floor(lstatSync(join(at, 'deep/file')).mtimeMs), someTimeMs)
    t.is(readlinkSync(join(at, 'link')), '/etc/passwd')
    t.is(Math.floor(lstatSync(join(at, 'link')).mtimeMs), someTimeMs)
    t.is(lstatSync(join(at, 'deep')).mode & 0o777, 0o500)
    t.is(Math.floor(lstatSync(join(at, 'deep')).mtimeMs), someTimeMs)
    t.is(lstatSync(at).mode & 0o777, 0o777 & ~process.umask(), 'as any directory that is made')
    chmodSync(join(at, 'deep'), 0o700)
  }
  t.alike(new Set(asked), new Set(['sub/deep/file@7', 'sub/empty@7']))
  t.is(left().length, 3, 'and nothing beside')
})

test('the whole folder is had by no name, or by a dot', async (t) => {
  const { to } = await place(t)
  const { log } = logOf(
    [
      ['a', directoryOf()],
      ['a/x', fileOf('x')]
    ],
    { 'a/x': 'x' }
  )
  for (const [i, params] of [{}, { path: '' }, { path: '.' }, { path: './' }, { path: '/' }].entries()) {
    t.alike(problemsIn(await gotten(log, { ...params, to: `${to}${i}` })), [])
    t.is(readFileSync(join(`${to}${i}`, 'a/x'), 'utf8'), 'x')
  }
})

test('nothing is written beneath what is no directory of the log, nor through a link', async (t) => {
  const { root, to, left } = await place(t)
  mkdirSync(join(root, 'outside'))
  const { log } = logOf(
    [
      ['link', symlinkOf('../outside')],
      ['link/evil', fileOf('evil')],
      ['file', fileOf('good')],
      ['file/evil', fileOf('evil')],
      ['none/evil', fileOf('evil')],
      ['none/dir', directoryOf()],
      ['none/dir/evil', fileOf('evil')],
      ['link/deep', directoryOf()],
      ['link/deep/link', symlinkOf('x')]
    ],
    { 'link/evil': 'evil', file: 'good', 'file/evil': 'evil', 'none/evil': 'evil', 'none/dir/evil': 'evil' }
  )
  const records = await gotten(log, { to })
  t.alike(problemsIn(records).sort(), [
    'file/evil',
    'link/deep',
    'link/deep/link',
    'link/evil',
    'none/dir',
    'none/dir/evil',
    'none/evil'
  ])
  t.alike(readdirSync(join(root, 'outside')), [])
  t.alike(readdirSync(to).sort(), ['file', 'link'])
  t.alike(left(), ['outside', 'to'])
})

test('a content that is another than its hash says, or that nobody has, leaves nothing behind', async (t) => {
  const { to, left } = await place(t)
  const entries = [
    ['bad', fileOf('good')],
    ['gone', fileOf('gone')],
    ['short', fileOf('short')],
    ['fine', fileOf('fine')]
  ] as const
  const { log } = logOf(entries, { bad: 'evil', short: 'shor', fine: 'fine' })
  t.alike(problemsIn(await gotten(log, { to })), ['bad', 'gone', 'short'])
  t.alike(readdirSync(to), ['fine'])

  const at = `${to}-one`
  for (const [entry, code] of [
    [entries[0], 'DAMAGED'],
    [entries[1], 'NOT_HELD']
  ] as const) {
    const one = logOf([entry], { bad: 'evil' }).log
    t.is(await codeOf(() => gotten(one, { path: entry[0], to: at })), code)
    writeFileSync(at, 'mine')
    t.is(await codeOf(() => gotten(one, { path: entry[0], to: at, force: true })), code)
    t.is(readFileSync(at, 'utf8'), 'mine', 'what stood there stays')
    t.alike(left(), ['to', 'to-one'])
    rmSync(at)
  }
})

test('what is there already stays, but a file or link by force', async (t) => {
  const { root, to } = await place(t)
  const file = logOf([['file', fileOf('content')]], { file: 'content' }).log
  const link = logOf([['link', symlinkOf('target')]], {}).log
  const tree = logOf([['file', fileOf('content')]], { file: 'content' }).log
  const stands: ReadonlyArray<[name: string, make: () => void]> = [
    ['a file', () => writeFileSync(to, 'mine')],
    ['a link that leads nowhere', () => symlinkSync('nowhere', to)],
    ['a link to a file', () => symlinkSync('other', to)],
    ['a directory', () => mkdirSync(to)]
  ]
  writeFileSync(join(root, 'other'), 'other')
  for (const [name, make] of stands) {
    for (const [path, log] of [
      ['file', file],
      ['link', link],
      ['', tree]
    ] as const) {
      make()
      const before = lstatSync(to).ino
      t.is(await codeOf(() => gotten(log, { path, to })), 'FOLDER_NOT_EMPTY', `${name}, for ${path}`)
      t.is(lstatSync(to).ino, before)
      if (path === '' || name === 'a directory') {
        t.is(
          await codeOf(() => gotten(log, { path, to, force: true })),
          'FOLDER_NOT_EMPTY',
          `${name}, for ${path}, by force`
        )
      } else {
        t.alike(problemsIn(await gotten(log, { path, to, force: true })), [])
        t.is(path === 'file' ? readFileSync(to, 'utf8') : readlinkSync(to), path === 'file' ? 'content' : 'target')
        t.is(lstatSync(to).isSymbolicLink(), path === 'link')
      }
      rmSync(to, { recursive: true })
      t.is(readFileSync(join(root, 'other'), 'utf8'), 'other')
      t.alike(readdirSync(root), ['other'])
    }
  }
})

test('what can’t be written is told by a code, for a tree as a problem of the path', async (t) => {
  const { root, to } = await place(t)
  const { log } = logOf([['file', fileOf('content')]], { file: 'content' })
  t.is(await codeOf(() => gotten(log, { path: 'file', to: join(root, 'none/to') })), 'FOLDER_MISSING')
  writeFileSync(join(root, 'plain'), '')
  t.is(await codeOf(() => gotten(log, { path: 'file', to: join(root, 'plain/to') })), 'FOLDER_MISSING')
  if (existsSync('/proc/self')) {
    t.is(await codeOf(() => gotten(log, { path: 'file', to: '/proc/p2psync' })), 'FOLDER_UNREADABLE')
    t.is(await codeOf(() => gotten(log, { to: '/proc/p2psync' })), 'FOLDER_UNREADABLE')
  }
  const long = 'n'.repeat(255)
  const longest = logOf([[long, fileOf('content')]], { [long]: 'content' }).log
  t.alike(problemsIn(await gotten(longest, { to })), [], 'a name may be as long as names can be')
  t.is(readFileSync(join(to, long), 'utf8'), 'content')
})

test('two names that are one here are a problem of the second', async (t) => {
  const { to } = await place(t)
  // A log says each path once; where letters' case doesn't count two are one. Here the same one stands for them.
  const listed: readonly (readonly [string, Entry])[] = [
    ['twice', fileOf('1')],
    ['twice', fileOf('2')]
  ]
  const { log } = logOf(listed, { twice: '1' })
  t.alike(problemsIn(await gotten(log, { to, path: '' })), ['twice'])
  t.is(readFileSync(join(to, 'twice'), 'utf8'), '1')
})

test('files are fetched at the same time, and told of in their order', async (t) => {
  const { to } = await place(t)
  const names = ['a', 'b', 'c']
  const { log } = logOf(
    names.map((name) => [name, fileOf(name)]),
    {}
  )
  const asked: string[] = []
  const content: Readable['content'] = async function* ({ path }) {
    asked.push(path)
    await until(() => asked.length === names.length, { what: 'all to be asked for' })
    yield Buffer.from(path)
  }
  const records = await gotten({ ...log, content }, { to })
  t.alike(
    records.flatMap((record) => (record.type === 'wrote' ? [record.path] : [])),
    names
  )
})

test('what ends it ends all that is still waited for', async (t) => {
  const { to, left } = await place(t)
  const { log } = logOf(
    ['a', 'b', 'c'].map((name) => [name, fileOf(name)]),
    {}
  )
  const ended: string[] = []
  // biome-ignore lint/correctness/useYield: nothing comes
  const content: Readable['content'] = async function* ({ path }, signal) {
    if (path === 'b') throw new SyncError('CLOSED', 'It has ended')
    await once(signal, 'abort')
    ended.push(path)
    throw signal.reason
  }
  t.is(await codeOf(() => gotten({ ...log, content }, { to })), 'CLOSED')
  t.alike(ended.sort(), ['a', 'c'])
  t.alike(left(), ['to'])
  t.alike(readdirSync(to), [], 'nothing is left of what was begun')
})
