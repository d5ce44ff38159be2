import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'brittle'

/** Who may import whom: the table of the design. A layer may always import itself, and what is `common`. */
const table: Readonly<Record<string, readonly string[]>> = {
  tree: [],
  chunk: [],
  net: [],
  errors: [],
  memory: [],
  steps: [],
  lateness: [],
  'attended-clock': ['lateness'],
  format: ['tree'],
  disk: ['tree', 'chunk'],
  log: ['tree', 'format'],
  sync: ['tree', 'chunk', 'format', 'disk', 'log', 'net'],
  // Speaks of what `sync` does with other processes.
  control: ['sync', 'tree'],
  // The public API gives out types of the tree, and a private DHT, which has nothing to do with folders.
  index: ['sync', 'control', 'tree', 'net'],
  cli: ['sync', 'control', 'index', 'tree']
}

/** What belongs to no layer. */
const common = ['errors', 'memory', 'steps', 'lateness', 'attended-clock']

/** Packages that belong to one layer alone. */
const owners: Readonly<Record<string, string>> = {
  hypercore: 'log',
  hyperbee: 'log',
  'hyperbee/lib/messages.js': 'log',
  corestore: 'log',
  'hypercore-storage': 'log',
  hyperswarm: 'net',
  hyperdht: 'net',
  chokidar: 'disk',
  'rocksdb-native': 'disk',
  'fs-native-extensions': 'disk',
  'node:worker_threads': 'disk',
  'node:fs': 'disk',
  'node:fs/promises': 'disk'
}

/** Imports that the rules above forbid, and why they are allowed. */
const allowed: ReadonlyArray<[file: string, imported: string, why: string]> = [
  ['log/store.ts', 'node:fs', 'refuses a directory that is not its own, whose files Corestore would move'],
  ['net/same-machine.ts', 'node:fs', 'leaves records for the other processes of this machine'],
  ['sync/folder.ts', 'node:fs', 'looks at the directory that the user names, before it is a folder'],
  ['net/congestion.ts', 'node:fs', 'asks the kernel which congestion control its TCP has'],
  ['control/server.ts', 'node:fs', 'sets the mode of its socket, and removes it'],
  ['control/socket-path.ts', 'node:fs', 'has a short name for a socket that lies deep'],
  ['control/client.ts', 'node:fs', 'tells whose socket it is'],
  ['control/open.ts', 'node:fs', 'tells a directory from a key'],
  ['cli/where.ts', 'node:fs', 'tells a directory from a name with a version'],
  ['cli/main.ts', 'node:fs', 'reads its version from package.json']
]

const linesMax = 500

interface Source {
  /** Path beneath src, with `/`. */
  readonly file: string
  readonly text: string
  /** The first directory, or the name of a file that lies in src itself. */
  readonly layer: string
}

const root = join(packageRoot(), 'src')
const sources: readonly Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const file = name.split(sep).join('/')
    return { file, text: readFileSync(join(root, name), 'utf8'), layer: layerOf(file) }
  })
const modules = sources.filter(({ layer }) => layer !== 'types')

/** The directory of package.json, from wherever the tests are built to. */
function packageRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (readdirSync(at).includes('package.json')) return at
    if (at === dirname(at)) throw new Error('No package.json above the tests')
  }
}

function layerOf(file: string): string {
  return (file.split('/')[0] as string).replace(/\.ts$/, '')
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

/** The layer that a relative import leads to, or the name of the package. */
function importedFrom(source: Source, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return layerOf(posix.join(posix.dirname(source.file), specifier))
}

function isForbidden(source: Source, specifier: string): boolean {
  const imported = importedFrom(source, specifier)
  if (!specifier.startsWith('.')) return (owners[imported] ?? source.layer) !== source.layer
  if (imported === source.layer || common.includes(imported)) return false
  return !(table[source.layer] ?? []).includes(imported)
}

const forbidden = modules.flatMap((source) =>
  importsOf(source)
    .filter((specifier) => isForbidden(source, specifier))
    .map((specifier) => `${source.file} → ${importedFrom(source, specifier)}`)
)
const exceptions = allowed.map(([file, imported]) => `${file} → ${imported}`)

test('every module lies in a layer of the table', (t) => {
  t.ok(modules.length > 20, `${modules.length} modules found`)
  t.alike(
    modules.filter(({ layer }) => table[layer] === undefined).map(({ file }) => file),
    []
  )
})

test('every import of every module is seen', (t) => {
  const missed = modules.filter(
    ({ text }) => (text.match(/^import\b/gm) ?? []).length > importsOf({ file: '', text, layer: '' }).length
  )
  t.alike(
    missed.map(({ file }) => file),
    []
  )
})

test('a layer imports only what the table allows, and no package of another layer', (t) => {
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

test('the table itself keeps the edges apart and has no circles', (t) => {
  const edges = ['disk', 'log', 'net']
  for (const edge of edges)
    t.absent(
      table[edge]?.some((imported) => edges.includes(imported)),
      edge
    )
  const reaches = (from: string, to: string): boolean =>
    table[from]?.some((next) => next === to || reaches(next, to)) ?? false
  for (const layer of Object.keys(table)) t.absent(reaches(layer, layer), layer)
})

const rules: ReadonlyArray<[name: string, breaks: (source: Source) => boolean]> = [
  ['any stands in no code but ambient types', ({ text }) => /(?<!\.)\bany\b/.test(codeOf(text))],
  [
    'nothing but the command line writes to the console',
    ({ text, layer }) => layer !== 'cli' && /\bconsole\b/.test(codeOf(text))
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
