import { test } from 'brittle'
import type { Command } from 'commander'
import { loadCommands } from '../../../src/cli/commands.ts'
import { createProgram } from '../../../src/cli/main.ts'
import { describeProgram, optionsOf } from '../../../src/cli/manual/describe.ts'
import { partsOf, remarksOf } from '../../../src/cli/manual/examples.ts'

const columns = 80
/** The room for a summary in a line of the list of commands. */
const summaryMax = 50

/** Commands without --json, and why. */
const withoutJson: Readonly<Record<string, string>> = {
  completion: 'prints a script',
  help: 'prints a text',
  man: 'prints a page'
}

const program = await loadCommands(createProgram(() => {}))
const text = describeProgram(program)
const { commands } = text

test('the program has commands, each in a group', (t) => {
  t.ok(commands.length > 10, `${commands.length} commands`)
  for (const { name, heading } of commands) t.ok(heading.endsWith(':'), `${name} stands beneath ${heading}`)
})

for (const command of commands) {
  const { name, summary, description, arguments: args, examples } = command
  test(`${name} has a summary, a description and examples`, (t) => {
    t.ok(summary.length > 0 && summary.length <= summaryMax, `has a summary of ${summary.length} characters`)
    t.absent(summary.endsWith('.'), 'which has no full stop')
    t.ok(/^[A-Z].*\.$/s.test(description), 'has a description, in sentences')
    for (const { term, description } of [...args, ...optionsOf(command)]) t.ok(description, `describes ${term}`)
    t.ok(
      examples.some((example) => callsIn(partsOf(example)[0]).some((words) => words[0] === name)),
      'has an example of its use'
    )
    const names = optionsOf(command).flatMap(({ names }) => names)
    t.is(names.includes('--json'), withoutJson[name] === undefined, withoutJson[name] ?? 'has --json')
  })
}

test('every exception to --json is a command', (t) => {
  const names = commands.map(({ name }) => name)
  t.alike(
    Object.keys(withoutJson).filter((name) => !names.includes(name)),
    []
  )
})

for (const command of [program, ...program.commands]) {
  test(`the examples of ${command.name()} are command lines that it accepts`, async (t) => {
    for (const example of remarksOf(command).examples) {
      const [line] = partsOf(example)
      const calls = callsIn(line)
      t.ok(calls.length > 0, `calls p2psync: ${line}`)
      for (const words of calls) await t.execution(() => parse(words), words.join(' '))
    }
  })

  test(`the help of ${command.name()} fits ${columns} columns`, (t) => {
    const help = helpOf(command)
    const lines = help.split('\n')
    // Examples stay on one line, to be copied.
    const long = lines.filter((line) => line.length > columns && !line.startsWith('  $ '))
    t.alike(long, [])
    for (const example of remarksOf(command).examples)
      t.ok(lines.includes(`  $ ${partsOf(example)[0]}`), partsOf(example)[0])
  })

  test(`the help of ${command.name()} lists its own options first`, (t) => {
    const help = helpOf(command)
    const at = ['\nOptions:\n', '\nState and output:\n', '\nFinding peers:\n']
      .map((heading) => help.indexOf(heading))
      .filter((index) => index >= 0)
    t.ok(at.length > 0)
    t.alike(
      at,
      [...at].sort((a, b) => a - b)
    )
  })
}

test('the check of examples finds a command line that no command accepts', async (t) => {
  t.alike(callsIn("cd x && p2psync ls 'a b' -l | wc > lines; p2psync id"), [['ls', 'a b', '-l'], ['id']])
  for (const words of [['lst'], ['ls'], ['ls', 'a', '--lung'], ['ls', 'a', '--timeout', 'long'], ['id', 'a']]) {
    await t.exception(() => parse(words), words.join(' '))
  }
})

/** The calls of p2psync in a line of a shell, as words. */
function callsIn(line: string): string[][] {
  const words = line.match(/'[^']*'|"[^"]*"|;|[^\s;]+/g) ?? []
  const calls: string[][] = [[]]
  let isRedirected = false
  for (const word of words) {
    if (['|', '&&', ';'].includes(word)) {
      calls.push([])
      isRedirected = false
    } else if (word === '>') isRedirected = true
    else if (!isRedirected) calls.at(-1)?.push(word.replace(/^(['"])(.*)\1$/, '$2'))
  }
  return calls.filter(([name]) => name === 'p2psync').map((call) => call.slice(1))
}

/** Parses arguments as the command line does, without running the command. */
async function parse(words: readonly string[]): Promise<void> {
  const program = await loadCommands(createProgram(() => {}))
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => {} })
  for (const command of program.commands) command.action(() => {})
  await program.parseAsync(words, { from: 'user' })
}

function helpOf(command: Command): string {
  const written: string[] = []
  command.configureOutput({ writeOut: (text) => written.push(text), getOutHelpWidth: () => columns })
  command.outputHelp()
  return written.join('')
}
