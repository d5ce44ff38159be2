import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'brittle'
import { loadCommands } from '../../../src/cli/commands.ts'
import { createProgram } from '../../../src/cli/main.ts'
import { describeProgram, optionsOf } from '../../../src/cli/manual/describe.ts'
import { partsOf } from '../../../src/cli/manual/examples.ts'
import { readGuide } from '../../../src/cli/manual/guide-files.ts'
import { guideList, guidePageName } from '../../../src/cli/manual/guide-list.ts'
import { guideText } from '../../../src/cli/manual/guide-text.ts'
import { manualPage } from '../../../src/cli/manual/manual.ts'
import { literal, text } from '../../../src/cli/manual/roff.ts'
import { exitStatus } from '../../../src/cli/output/exit-status.ts'
import { packageRoot, start } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'

const program = describeProgram(await loadCommands(createProgram(() => {})))
const page = manualPage(program, new Date('2026-11-20T12:00:00Z'))

const sections = [
  'NAME',
  'SYNOPSIS',
  'DESCRIPTION',
  'OPTIONS',
  'COMMANDS',
  'FINDING PEERS',
  'PLACES AND VERSIONS',
  'EXIT STATUS',
  'ENVIRONMENT',
  'FILES',
  'EXAMPLES',
  'SEE ALSO'
]

test('the manual has the sections of one, in their order', (t) => {
  t.ok(page.includes(`.TH P2PSYNC 1 2026-11-20 "p2psync ${program.version}" "User Commands"\n`))
  t.alike(
    [...page.matchAll(/^\.SH (.+)$/gm)].map((match) => match[1]),
    sections
  )
})

for (const command of program.commands) {
  test(`the manual describes ${command.name} as its help does`, (t) => {
    t.ok(page.includes(`\n.SS ${text(command.usage)}\n`), 'usage')
    t.ok(page.includes(text(command.description)), 'description')
    for (const { term, description } of [...command.arguments, ...optionsOf(command)])
      t.ok(page.includes(`\n${literal(term)}\n${text(description)}\n`), term)
    for (const [line] of command.examples.map(partsOf)) t.ok(page.includes(literal(`$ ${line}`)), line)
    for (const note of command.notes) t.ok(page.includes(text(typeof note === 'string' ? note : note.text)), 'note')
  })
}

test('the manual lists each exit status once', (t) => {
  const [, statuses = ''] = /^\.SH EXIT STATUS\n(.*?)^\.SH/ms.exec(page) ?? []
  t.alike(
    [...statuses.matchAll(/^\\fB(\d+)\\fR$/gm)].map((match) => Number(match[1])),
    Object.values(exitStatus)
  )
})

test('the manual describes shared options once', (t) => {
  t.is(page.split(`\n${literal('--listen <address>')}\n`).length, 2)
})

const texts: ReadonlyArray<[name: string, plain: string, roff: string]> = [
  ['a dot at the start', '.p2psync is ours', '\\&.p2psync is ours'],
  ['an apostrophe at the start', "'s", '\\(aqs'],
  ['a backslash', 'a\\nb', 'a\\enb'],
  ['characters beyond ASCII', 'a…é', 'a\\[u2026]\\[u00E9]'],
  ['an option', 'with --json, or -l (--long), not so-called', 'with \\-\\-json, or \\-l (\\-\\-long), not so-called'],
  ['two sentences', 'One. Two.', 'One.\nTwo.'],
  ['a long line', `${'word '.repeat(20)}.end`, `${'word '.repeat(14).trim()}\n${'word '.repeat(6)}.end`]
]
for (const [name, plain, roff] of texts) {
  test(`text encodes ${name} for roff`, (t) => t.is(text(plain), roff))
}

test('literal text is bold, and keeps its quotes, tildes and dashes', (t) => {
  t.is(literal("-l 'a' ~/b --c"), '\\fB\\-l \\(aqa\\(aq \\(ti/b \\-\\-c\\fR')
})

/** Programs that check or render a man page, used if installed. */
const checkers: ReadonlyArray<readonly [string, ...string[]]> = [
  ['mandoc', '-Tlint', '-W', 'style'],
  ['groff', '-man', '-ww', '-Tascii', '-z']
]
for (const [checker, ...args] of checkers) {
  test(`${checker} finds no fault with the manual`, (t) => {
    const { error, stdout, stderr } = spawnSync(checker, args, { input: page, encoding: 'utf8' })
    if (error !== undefined) return t.comment(`Not checked: ${error.message}`)
    t.is(`${stdout}${stderr}`, '')
  })
}

test('p2psync man prints the manual, and the package contains it', async (t) => {
  const command = start(t, ['man'])
  t.is(await command.exit(), 0)
  t.is(command.stderr, '')
  const undated = (printed: string) => printed.replace(/^\.TH P2PSYNC 1 \S+ /m, '')
  t.is(undated(command.stdout), undated(page))

  const { man, files } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  t.alike(man, ['./dist/p2psync.1', ...guideList.map(([name]) => `./dist/${guidePageName(name)}.7`)])
  t.ok(files.includes('dist/p2psync.1') && files.includes('dist/p2psync-*.7'))
  const file = join(packageRoot, 'dist/p2psync.1')
  const built = existsSync(file) ? readFileSync(file, 'utf8') : 'npm run build has not made it'
  t.is(undated(built), undated(page))
})

test('p2psync man prints the page of a guide, and writes all pages as the build does', async (t) => {
  const [[guide = ''] = []] = guideList
  const command = start(t, ['man', guide])
  t.is(await command.exit(), 0)
  matches(t, command.stdout, new RegExp(`^\\.TH ${guidePageName(guide).toUpperCase()} 7 `, 'm'))

  const directory = await t.tmp()
  const writing = start(t, ['man', '--to', directory])
  t.is(await writing.exit(), 0)
  t.is(writing.stdout, '')
  const { man } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  t.alike(readdirSync(directory).sort(), man.map((page: string) => basename(page)).sort())
})

test('p2psync help prints a guide, or the help of a command, and refuses what is neither', async (t) => {
  const guide = start(t, ['help', 'nat'])
  t.is(await guide.exit(), 0)
  t.is(guide.stdout, guideText(readGuide('nat'), 80))
  const help = start(t, ['help', 'clone'])
  t.is(await help.exit(), 0)
  matches(t, help.stdout, /^Usage: p2psync clone /)
  const list = start(t, ['help'])
  t.is(await list.exit(), 0)
  matches(t, list.stdout, /^Usage: p2psync .*\n {2}clone .*\nGuides .*\n {2}nat /s)
  const neither = start(t, ['help', 'weather'])
  t.is(await neither.exit(), 2)
  t.is(neither.stdout, '')
  matches(t, neither.stderr, /weather.*Allowed choices are .*networking/s)
})
