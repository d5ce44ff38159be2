import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'brittle'

/**
 * Who may import whom, from the top of the house to its ground: a room imports itself, rooms that stand below it here and
 * that it names, and the modules of `common`. A room is a folder of `src`; `src/index.ts` stands for itself.
 */
const table: Readonly<Record<string, readonly string[]>> = {
  cli: ['cli/commands', 'cli/manual', 'cli/output'],
  'cli/commands': [
    ...['cli/completion', 'cli/manual', 'cli/options', 'cli/output', 'cli/run', 'control', 'index', 'handle', 'care'],
    ...['query', 'mirror', 'change', 'peers', 'folder', 'tree']
  ],
  'cli/run': ['cli/options', 'cli/manual', 'cli/output', 'control', 'index', 'handle', 'query', 'folder', 'tree'],
  'cli/completion': ['cli/manual'],
  'cli/options': ['cli/manual', 'index'],
  'cli/manual': ['cli/output'],
  'cli/output': ['index', 'handle', 'query'],
  // The public API also gives out types of the tree, and a private DHT, which has nothing to do with folders.
  index: ['control', 'handle', 'care', 'mirror', 'peers', 'folder', 'net/dht', 'net/address', 'tree'],
  // Carries what `handle` offers to other processes.
  control: ['handle', 'query', 'peers', 'folder'],
  handle: [
    ...['session', 'care', 'query', 'mirror', 'change', 'peers', 'folder', 'baseline', 'net', 'log', 'log/hypercore'],
    ...['disk/state', 'disk/threads', 'disk/path', 'tree']
  ],
  // All that is open at once while a folder is open, and how it recovers.
  session: [
    ...['care', 'query', 'mirror', 'publish', 'peers', 'folder', 'baseline', 'net', 'log', 'log/check', 'log/gc'],
    ...['log/content', 'log/hypercore', 'disk/write', 'disk/state', 'disk/threads', 'disk/path', 'tree']
  ],
  care: [
    ...['change', 'peers', 'folder', 'baseline', 'net', 'net/address', 'log/check', 'log/gc', 'log/packed'],
    ...['log/content', 'log/bee', 'log/hypercore', 'disk/read', 'disk/state', 'disk/threads', 'disk/path', 'tree']
  ],
  query: [
    ...['peers', 'folder', 'log', 'log/content', 'log/bee', 'log/hypercore', 'log/async', 'disk/write', 'disk/read'],
    ...['disk/state', 'disk/path', 'format', 'tree']
  ],
  mirror: [
    ...['change', 'folder', 'baseline', 'log/packed', 'disk/write', 'disk/state', 'disk/threads', 'disk/path'],
    ...['format', 'tree']
  ],
  publish: [
    ...['folder', 'baseline', 'log', 'log/hypercore', 'disk/watch', 'disk/write', 'disk/read', 'disk/state'],
    ...['disk/threads', 'disk/path', 'chunk', 'format', 'tree']
  ],
  change: ['folder', 'baseline', 'log', 'log/bee', 'disk/write', 'disk/read', 'disk/threads', 'tree'],
  peers: ['folder', 'net', 'net/address', 'log/hypercore', 'disk/state', 'tree'],
  folder: [
    ...['baseline', 'net', 'log', 'log/hypercore', 'disk/write', 'disk/read', 'disk/state'],
    ...['disk/threads', 'disk/path', 'chunk', 'tree']
  ],
  // Holds the interface by which the log finds blocks that lie in files.
  baseline: ['log/hypercore', 'disk/write', 'disk/read', 'disk/state', 'format', 'tree'],
  net: ['net/dht', 'net/lan', 'net/wire', 'net/address'],
  'net/dht': ['net/wire', 'net/address'],
  'net/lan': ['net/address'],
  'net/wire': ['net/address'],
  'net/address': [],
  log: [
    ...['log/check', 'log/gc', 'log/content', 'log/packed', 'log/bee', 'log/hypercore', 'log/async', 'format', 'tree']
  ],
  'log/check': ['log/content', 'log/bee', 'log/hypercore', 'format', 'tree'],
  'log/gc': ['log/content', 'log/bee', 'log/hypercore', 'format', 'tree'],
  'log/content': ['log/packed', 'log/hypercore', 'format', 'tree'],
  'log/packed': ['log/bee', 'log/hypercore', 'log/async', 'format', 'tree'],
  'log/bee': ['log/hypercore', 'log/async', 'format', 'tree'],
  'log/hypercore': ['tree'],
  'log/async': [],
  // What runs in a worker thread.
  disk: ['disk/write', 'disk/read', 'disk/threads'],
  'disk/write': ['disk/read', 'disk/threads', 'disk/path', 'chunk', 'tree'],
  'disk/watch': ['disk/read', 'tree'],
  'disk/read': ['disk/threads', 'disk/path', 'chunk', 'tree'],
  'disk/threads': [],
  'disk/state': ['disk/path', 'tree'],
  'disk/path': ['tree'],
  format: ['tree'],
  chunk: [],
  tree: [],
  'attended-clock': ['lateness'],
  lateness: [],
  'bounded-map': [],
  'buffer-pool': [],
  'keep-alive-bytes': [],
  failpoints: [],
  errors: []
}

/** Modules that belong to no room. */
const common = ['errors', 'bounded-map', 'buffer-pool', 'failpoints', 'attended-clock', 'lateness', 'keep-alive-bytes']

/** The house's floors that never import each other. */
const edges = ['disk', 'log', 'net']

/** Packages that belong to one room, or to a room and those inside it. */
const owners: Readonly<Record<string, string>> = {
  hypercore: 'log',
  hyperbee: 'log',
  'hyperbee/lib/messages.js': 'log/hypercore',
  'hypercore/lib/merkle-tree.js': 'log/hypercore',
  corestore: 'log/hypercore',
  'hypercore-storage': 'log/hypercore',
  hyperswarm: 'net',
  hyperdht: 'net',
  chokidar: 'disk/watch',
  'rocksdb-native': 'disk/state',
  'fs-native-extensions': 'disk',
  'node:worker_threads': 'disk/threads',
  'node:fs': 'disk',
  'node:fs/promises': 'disk'
}

/** Rooms that hold all use of private members of dependencies: of Hypercore and what belongs to it, and of streams. */
const privateRooms = ['log/hypercore', 'net/wire']
/** Private members by name: each that begins with an underscore, and those that only a dependency's object can have. */
const privateMember =
  /\.(?:_[a-z]\w*|core\.core|replicator|hotswaps|remoteBitfield|remoteContiguousLength|applyProof|missingNodes)\b/i
/** Types and casts that lead to private members; src/types/hypercore-private.d.ts declares the types. */
const privateImport =
  /\b(?:\w+Internals|Block(?:Storage|Read|Write|Request|Answer)|TreeNode|(?:Data|Range)Message)\b[^'"]*from '(?:hypercore|hyperbee|hypercore-storage|[./]*\/hypercore\/internals\.ts)'|\/hypercore\/internals\.ts'/

/** Imports that the rules above forbid, and why they are allowed. */
const allowed: ReadonlyArray<[file: string, imported: string, why: string]> = [
  ['log/hypercore/store.ts', 'node:fs', 'refuses a directory that is not its own, whose files Corestore would move'],
  ['net/lan/same-machine.ts', 'node:fs', 'leaves records for the other processes of this machine'],
  ['folder/folder.ts', 'node:fs', 'looks at the directory that the user names, before it is a folder'],
  ['net/congestion.ts', 'node:fs', 'asks the kernel which congestion control its TCP has'],
  ['control/server.ts', 'node:fs', 'sets the mode of its socket, and removes it'],
  ['control/socket-path.ts', 'node:fs', 'has a short name for a socket that lies deep'],
  ['control/client.ts', 'node:fs', 'tells whose socket it is'],
  ['control/open.ts', 'node:fs', 'tells a directory from a key'],
  ['cli/manual/guide-files.ts', 'node:fs', 'reads the guides of the package, and writes its manual pages'],
  ['cli/run/where.ts', 'node:fs', 'tells a directory from a name with a version'],
  ['cli/main.ts', 'node:fs', 'reads its version from package.json']
]

/** A folder of more files can't be taken in at a glance; `cli/commands` has one for each command. */
const filesMax = 21
const filesMaxOf: Readonly<Record<string, number>> = { 'cli/commands': 30 }

const linesMax = 500

interface Source {
  /** Path beneath src, with `/`. */
  readonly file: string
  readonly text: string
  /** The folder it lies in, or its own name where it lies in src itself. */
  readonly room: string
}

const root = join(packageRoot(), 'src')
const sources: readonly Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const file = name.split(sep).join('/')
    return { file, text: readFileSync(join(root, name), 'utf8'), room: roomOf(file) }
  })
const modules = sources.filter(({ room }) => room !== 'types')

/** The directory of package.json, from wherever the tests are built to. */
function packageRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (readdirSync(at).includes('package.json')) return at
    if (at === dirname(at)) throw new Error('No package.json above the tests')
  }
}

function roomOf(file: string): string {
  const folder = posix.dirname(file)
  return folder === '.' ? file.replace(/\.ts$/, '') : folder
}

const commentOrString = /\/\*[\s\S]*?\*\/|\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g

function withoutComments(text: string): string {
  return text.replace(commentOrString, (match) => (match.startsWith('/') ? '' : match))
}

/** Nothing but code: strings are empty. */
function codeOf(text: string): string {
  return text.replace(commentOrString, (match) => (match.startsWith('/') ? '' : "''"))
}

/** What a module names in `import … from`, `export … from`, `import '…'` and `import('…')`. */
function importsOf({ text }: Source): string[] {
  const named = /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm
  const bare = /\bimport\s*\(?\s*['"]([^'"]+)['"]/g
  const code = withoutComments(text)
  return [...code.matchAll(named), ...code.matchAll(bare)].map((match) => match[1] as string)
}

/** The module that a relative import leads to, as its path beneath src. */
function moduleOf({ file }: Source, specifier: string): string {
  return posix.join(posix.dirname(file), specifier)
}

/** The room that a relative import leads to, or the name of the package. */
function importedFrom(source: Source, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return roomOf(moduleOf(source, specifier))
}

function isInside(room: string, owner: string): boolean {
  return room === owner || room.startsWith(`${owner}/`)
}

function isForbidden(source: Source, specifier: string): boolean {
  const imported = importedFrom(source, specifier)
  if (!specifier.startsWith('.')) return !isInside(source.room, owners[imported] ?? source.room)
  if (imported === source.room || common.includes(imported)) return false
  return !(table[source.room] ?? []).includes(imported)
}

const forbidden = modules.flatMap((source) =>
  importsOf(source)
    .filter((specifier) => isForbidden(source, specifier))
    .map((specifier) => `${source.file} → ${importedFrom(source, specifier)}`)
)
const exceptions = allowed.map(([file, imported]) => `${file} → ${imported}`)

test('every module lies in a room of the table', (t) => {
  t.ok(modules.length > 20, `${modules.length} modules found`)
  t.alike(
    modules.filter(({ room }) => table[room] === undefined).map(({ file }) => file),
    []
  )
})

test('the scan sees every import of every module', (t) => {
  const missed = modules.filter(
    ({ text }) => (text.match(/^import\b/gm) ?? []).length > importsOf({ file: '', text, room: '' }).length
  )
  t.alike(
    missed.map(({ file }) => file),
    []
  )
})

test('a room imports only rooms that the table allows, and no package of another room', (t) => {
  t.alike(
    forbidden.filter((it) => !exceptions.includes(it)),
    []
  )
})

test('every exception to the table is still needed', (t) => {
  t.alike(
    exceptions.filter((it) => !forbidden.includes(it)),
    []
  )
})

test('every permission of the table is used', (t) => {
  const used = new Set(modules.flatMap((it) => importsOf(it).map((to) => `${it.room} → ${importedFrom(it, to)}`)))
  const permissions = Object.entries(table).flatMap(([room, below]) => below.map((each) => `${room} → ${each}`))
  t.alike(
    permissions.filter((it) => !used.has(it)),
    []
  )
})

test('all arrows point down, and the edges never import each other', (t) => {
  const rooms = Object.keys(table)
  for (const [at, room] of rooms.entries()) {
    const upwards = table[room]?.filter((below) => rooms.indexOf(below) <= at)
    t.alike(upwards, [], room)
  }
  for (const edge of edges) {
    const rest = edges.filter((it) => it !== edge)
    const inside = Object.entries(table).filter(([room]) => isInside(room, edge))
    for (const [room, below] of inside)
      t.absent(
        below.some((it) => rest.some((other) => isInside(it, other))),
        room
      )
  }
})

test('no module imports itself by way of others', (t) => {
  const imports = new Map(
    modules.map((it) => [
      it.file,
      importsOf(it)
        .filter((to) => to.startsWith('.'))
        .map((to) => moduleOf(it, to))
    ])
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '))
    if (way.includes(file) || done.has(file)) return
    for (const next of imports.get(file) ?? []) visit(next, [...way, file])
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  t.alike(circles, [])
})

test('one exported name has one meaning', (t) => {
  const exported = /^export (?:abstract |async )?(?:class|function\*?|const|interface|type) (\w+)/gm
  const homes = new Map<string, Set<string>>()
  for (const { file, text } of modules) {
    if (file === 'index.ts') continue
    for (const [, name = ''] of text.matchAll(exported)) homes.set(name, (homes.get(name) ?? new Set()).add(file))
  }
  const shared = [...homes].filter(([, files]) => files.size > 1)
  t.alike(
    shared.map(([name, files]) => `${name}: ${[...files].join(', ')}`),
    []
  )
})

test('a glance takes in each room', (t) => {
  const filesIn = (room: string) => modules.filter((module) => module.room === room).length
  const crowded = Object.keys(table).filter((room) => filesIn(room) > (filesMaxOf[room] ?? filesMax))
  t.alike(
    crowded.map((room) => `${room}: ${filesIn(room)}`),
    []
  )
})

const rules: ReadonlyArray<[name: string, breaks: (source: Source) => boolean]> = [
  ['any stands in no code but ambient types', ({ text }) => /(?<!\.)\bany\b/.test(codeOf(text))],
  [
    'nothing but the command line writes to the console',
    ({ text, room }) => !isInside(room, 'cli') && /\bconsole\b/.test(codeOf(text))
  ],
  [
    'private members of dependencies are named only in the rooms that hold them',
    ({ text, room }) =>
      !privateRooms.includes(room) && (privateMember.test(codeOf(text)) || privateImport.test(withoutComments(text)))
  ],
  ['no module has a default export', ({ text }) => /^export default\b/m.test(codeOf(text))],
  ['no module assumes that a value is there', ({ text }) => /[\w)\]]!(?![=\w])/.test(codeOf(text))],
  [
    'relative imports name the file',
    (source) => importsOf(source).some((it) => it.startsWith('.') && !it.endsWith('.ts'))
  ],
  ['file names are in kebab case', ({ file }) => !/^([a-z0-9]+(-[a-z0-9]+)*[/.])+ts$/.test(file)]
]
for (const [name, breaks] of rules) {
  test(name, (t) => {
    t.alike(
      modules.filter(breaks).map(({ file }) => file),
      []
    )
  })
}

test(`no file is longer than ${linesMax} lines`, (t) => {
  const long = sources.filter(({ text }) => text.split('\n').length - 1 > linesMax)
  t.alike(
    long.map(({ file }) => file),
    []
  )
})
