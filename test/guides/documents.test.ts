import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'brittle'
import { loadCommands } from '../../src/cli/commands.ts'
import { createProgram } from '../../src/cli/main.ts'
import { describeProgram, optionsOf } from '../../src/cli/manual/describe.ts'
import { guideList, guidePageName } from '../../src/cli/manual/guide-list.ts'
import { parseInline, parseMarkdown } from '../../src/cli/manual/markdown.ts'
import { exitStatus } from '../../src/cli/output/exit-status.ts'
import { packageRoot } from '../support/cli.ts'

/** More than a newcomer reads at once. */
const readmeLinesMax = 120

const program = describeProgram(await loadCommands(createProgram(() => {})))
const optionsOfCommand = new Map(
  program.commands.map((command) => [command.name, optionsOf(command).flatMap(({ names }) => names)])
)
const programOptions = optionsOf(program).flatMap(({ names }) => names)
const everyOption = new Set([...programOptions, ...[...optionsOfCommand.values()].flat()])

const documents = ['.', '.github', 'src', 'examples']
  .flatMap((directory) => {
    const recursive = directory !== '.'
    const names = existsSync(join(packageRoot, directory))
      ? readdirSync(join(packageRoot, directory), { recursive, encoding: 'utf8' })
      : []
    return names.filter((name) => name.endsWith('.md')).map((name) => join(directory, name))
  })
  .map((file) => ({ file, text: read(file) }))
const guides = guideList.map(([name]) => ({ file: `src/guides/${name}.md`, text: read(`src/guides/${name}.md`) }))
const readme = read('README.md')

function read(file: string): string {
  return readFileSync(join(packageRoot, file), 'utf8')
}

test(`README.md has at most ${readmeLinesMax} lines`, (t) => {
  const lines = readme.trimEnd().split('\n').length
  t.ok(lines <= readmeLinesMax, `${lines} lines`)
})

test('every guide is in the list, in the README and among the man pages', (t) => {
  const names = guideList.map(([name]) => name)
  const files = readdirSync(join(packageRoot, 'src/guides')).map((file) => file.replace(/\.md$/, ''))
  t.alike([...names].sort(), files.sort())
  const { man } = JSON.parse(read('package.json'))
  for (const name of names) {
    t.ok(readme.includes(`](src/guides/${name}.md)`), `the README links ${name}`)
    t.ok(man.includes(`./dist/${guidePageName(name)}.7`), `package.json lists the page of ${name}`)
  }
})

test('no guide has the name of a command', (t) => {
  t.alike(
    guideList.map(([name]) => name).filter((name) => optionsOfCommand.has(name)),
    []
  )
})

for (const { file, text } of documents) {
  test(`the links of ${file} lead somewhere`, (t) => {
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^https?:/.test(target) && !leadsSomewhere(file, target))
    t.alike(broken, [])
  })
}

for (const { file, text } of documents) {
  test(`the files that ${file} names exist`, (t) => {
    const named = [...text.matchAll(/`((?:src|test|examples)\/[\w./-]+\.\w+)`/g)].map(([, name = '']) => name)
    t.alike(
      named.filter((name) => !existsSync(join(packageRoot, name))),
      []
    )
  })
}

test('the architecture lists every room', (t) => {
  const architecture = read('src/README.md')
  const rooms = readdirSync(join(packageRoot, 'src'), { withFileTypes: true })
    .filter((item) => item.isDirectory() && item.name !== 'types')
    .flatMap(({ name }) => {
      const inside = readdirSync(join(packageRoot, 'src', name), { withFileTypes: true })
      const parts = inside.filter((item) => item.isDirectory()).map((item) => `${name}/${item.name}`)
      return ['log', 'disk'].includes(name) ? parts : [name]
    })
  t.alike(
    rooms.filter((room) => !new RegExp(`^\\|.*\`${room}\`.*\\|.*\\|$`, 'm').test(architecture)),
    []
  )
})

for (const { file, text } of [...guides, { file: 'README.md', text: readme }]) {
  test(`${file} names commands and options that exist`, (t) => {
    const wrong = codeIn(text).flatMap(wrongIn)
    t.alike(wrong, [])
  })
}

for (const file of ['README.md', '.github/CONTRIBUTING.md', 'src/guides/trust-and-threats.md']) {
  test(`${file} names npm scripts that exist`, (t) => {
    const { scripts } = JSON.parse(read('package.json'))
    const named = [...read(file).matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name = '']) => name)
    const ofNpm = ['ci', 'install', 'pack', 'registry']
    t.ok(named.length > 0)
    t.alike(
      named.filter((name) => !ofNpm.includes(name) && scripts[name] === undefined),
      []
    )
  })
}

test('a command or option that does not exist is found', (t) => {
  t.alike(wrongIn('p2psync shear ./photos'), ['p2psync shear'])
  t.alike(wrongIn('$ p2psync ls x --lung'), ['ls --lung'])
  t.alike(wrongIn('clone --poll'), ['clone --poll'])
  t.alike(wrongIn('--lung'), ['--lung'])
  t.alike(wrongIn('systemctl --user enable'), [])
  t.alike(codeIn('See `a b` and\n`c`.\n\n```\np2psync d `e`\nf\n```\n\n| x | y |\n|---|---|\n| `g` | h |'), [
    'a b',
    'c',
    'p2psync d `e`',
    'g'
  ])
})

test('the README and the troubleshooting guide list the exit codes', (t) => {
  const codes = Object.values(exitStatus)
  const [, listed = ''] = /^## Exit codes\n\n(.*?)\n\n/ms.exec(readme) ?? []
  t.alike(
    [...listed.matchAll(/(?:^|[,\n] ?)(\d+) /g)].map(([, code]) => Number(code)),
    codes
  )
  const rows = read('src/guides/troubleshooting.md').matchAll(/^\| (\d+) \|/gm)
  t.alike(
    [...rows].map(([, code]) => Number(code)),
    codes
  )
})

test('the guides list every error code, and every event', (t) => {
  const codes = [...read('src/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code]) => code)
  t.ok(codes.length > 20, `${codes.length} codes`)
  const rows = [...read('src/guides/troubleshooting.md').matchAll(/^\| (`[A-Z_`, ]+) \|/gm)].map(
    ([, cell = '']) => cell
  )
  const listed = rows.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code))
  t.alike(listed.sort(), [...codes, 'UNEXPECTED'].sort())

  const events = [
    ...read('src/folder/monitor.ts').matchAll(/\{ readonly type: '([a-z-]+)'|^ {6}readonly type: '([a-z-]+)'/gm)
  ]
  const names = [...new Set(events.map(([, short, long]) => short ?? long ?? ''))]
  t.ok(names.length > 10, `${names.length} events`)
  const guide = read('src/guides/events.md')
  t.alike(
    names.filter((name) => !guide.includes(`\n| \`${name}\` | `)),
    []
  )
})

test('every export of the API has a doc comment', (t) => {
  const index = read('dist/src/index.d.ts')
  const exported = [...index.matchAll(/^export (?:type )?\{ ([^}]+) \} from '(.+)'/gm)].flatMap(
    ([, names = '', from = '']) =>
      names
        .split(', ')
        .map((name) => ({ name: name.replace(/^type /, ''), file: join('dist/src', declarationOf(from)) }))
  )
  const own = [...index.matchAll(/^export declare function (\w+)/gm)].map(([, name = '']) => ({
    name,
    file: 'dist/src/index.d.ts'
  }))
  t.ok(exported.length > 20 && own.length === 4, `${exported.length + own.length} exports`)
  const undocumented = [...exported, ...own].filter(({ name, file }) => !isDocumented(name, file))
  t.alike(
    undocumented.map(({ name, file }) => `${name} in ${relative('dist/src', file)}`),
    []
  )
})

function declarationOf(from: string): string {
  return from.replace(/\.[tj]s$/, '.d.ts')
}

/** Whether the declaration of a name follows a comment; a module may pass on that of another. */
function isDocumented(name: string, file: string): boolean {
  const declarations = read(file)
  const kinds = '(?:abstract )?(?:class|interface|type|function|const)'
  if (new RegExp(`\\*/\\nexport (?:declare )?${kinds} ${name}\\b`).test(declarations)) return true
  const passedOn = new RegExp(`^export type \\{[^}]*\\b${name}\\b[^}]*\\} from '(.+)'`, 'm').exec(declarations)
  return passedOn?.[1] !== undefined && isDocumented(name, join(dirname(file), declarationOf(passedOn[1])))
}

/** Whether a relative link leads to a file of the package, and its anchor to a heading there. */
function leadsSomewhere(file: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const place = join(packageRoot, dirname(file), path)
  if (path !== '' && !existsSync(place)) return false
  if (anchor === undefined) return true
  const text = path === '' ? read(file) : readFileSync(place, 'utf8')
  return parseMarkdown(text).some((block) => block.type === 'heading' && anchorOf(block.text) === anchor)
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number} -]/gu, '')
    .replaceAll(' ', '-')
}

/** What stands in a document as code: lines of blocks that call p2psync, and inline code. */
function codeIn(source: string): string[] {
  return parseMarkdown(source).flatMap((block) => {
    switch (block.type) {
      case 'code':
        return block.lines.filter((line) => line.includes('p2psync '))
      case 'table':
        return block.rows.flat().flatMap(inlineCode)
      case 'list':
        return block.items.flatMap(({ text }) => inlineCode(text))
      default:
        return inlineCode(block.text)
    }
  })
}

function inlineCode(text: string): string[] {
  return parseInline(text).flatMap((span) => (span.type === 'code' ? [span.text] : []))
}

/** The commands and options in a piece of code that p2psync doesn't have. Other programs' are not judged. */
function wrongIn(code: string): string[] {
  const [, called] = /(?:^|&& |\$ |npx )p2psync ([^|&>#]*)/.exec(code) ?? []
  const [first = '', ...rest] = (called ?? code).trim().split(/\s+/)
  if (first.startsWith('-')) {
    const known = called === undefined ? everyOption : new Set(programOptions)
    return optionsIn([first, ...rest]).filter((option) => !known.has(option))
  }
  if (/^<|^…/.test(first)) return []
  const known = optionsOfCommand.get(first)
  if (known === undefined) return called === undefined ? [] : [`p2psync ${first}`]
  const wrong = optionsIn(rest).filter((option) => !known.includes(option))
  const [word = ''] = rest
  const isTopic = first !== 'help' || /^<|^$/.test(word) || isHelpTopic(word)
  return [...wrong.map((option) => `${first} ${option}`), ...(isTopic ? [] : [`help ${word}`])]
}

function isHelpTopic(word: string): boolean {
  return optionsOfCommand.has(word) || guideList.some(([name]) => name === word)
}

function optionsIn(words: readonly string[]): string[] {
  return words.flatMap((word) => /^\[?(--?[a-z][a-z-]*)/.exec(word)?.[1] ?? [])
}
