import { statusTexts } from '../output/exit-status.ts'
import { type CommandText, groupBy, type OptionText, optionsOf, type ProgramText } from './describe.ts'
import { type Example, partsOf, type Topic } from './examples.ts'
import { guideList, guidePageName } from './guide-list.ts'
import { optionGroups } from './help-style.ts'
import { literal, text } from './roff.ts'

/**
 * The manual page of a program, in roff with the macros of man(7). This module holds only the texts that the helps lack;
 * all others come from the commands.
 *
 * @param today the date at its foot
 */
export function manualPage(program: ProgramText, today: Date): string {
  const { name, version, description, commands } = program
  const date = today.toISOString().slice(0, 10)
  const lines = [
    `.\\" Printed by: ${name} man`,
    `.TH ${name.toUpperCase()} 1 ${date} "${name} ${version}" "User Commands"`,
    ...section('Name', [`${text(name)} \\- ${text(lowerFirst(firstSentence(description)))}`]),
    ...section('Synopsis', [
      literal(name),
      text('<command> [options] [arguments]'),
      '.br',
      literal(name),
      text('--help')
    ]),
    ...section('Description', [...paragraphs([description, ...about]), ...listOf(commands)]),
    ...section('Options', optionsOf(program).flatMap(optionItem)),
    ...section(
      'Commands',
      commands.flatMap((command) => commandText(command, commands))
    ),
    ...sharedGroups(commands).flatMap(([heading, options]) => section(heading, options.flatMap(optionItem))),
    ...topicsOf(commands).flatMap((topic) => section(topic.heading, paragraphs([topic.text]))),
    ...section('Exit status', [
      '.PD 0',
      ...statusTexts.flatMap(([status, meaning]) => item(String(status), meaning)),
      '.PD'
    ]),
    ...section(
      'Environment',
      environment.flatMap(([variable, does]) => item(variable, does))
    ),
    ...section(
      'Files',
      files.flatMap(([file, meaning]) => item(file, meaning))
    ),
    ...section('Examples', program.examples.flatMap(exampleText)),
    ...section(
      'See also',
      guideList.flatMap(([guide, summary]) => item(`${guidePageName(guide)}(7)`, summary))
    )
  ]
  return `${lines.join('\n')}\n`
}

const about: readonly string[] = [
  'One machine, the source, publishes a folder as signed append-only logs. Any machine that has the key finds the source, ' +
    'or another machine that has a copy, rebuilds the folder and follows it live. It continues after restarts, lost ' +
    'connections and full disks, and never overwrites or deletes files that it has not matched with the log.',
  'Commands print data to standard output and messages for people to standard error. With --json they print one JSON ' +
    'object a line, with a type. The key is the only access control: whoever has it can read the folder.'
]

const environment: ReadonlyArray<[variable: string, does: string]> = [
  [
    'P2PSYNC_BOOTSTRAP',
    'host:port,...: the nodes through which to join the DHT, or none. The option --bootstrap overrides it.'
  ],
  ['P2PSYNC_NO_LAN', '1 to search no local network for peers, as with --no-lan.'],
  ['XDG_STATE_HOME', 'The directory of p2psync/identity, the identity of this machine (default: ~/.local/state).'],
  [
    'NODE_DEBUG',
    'p2psync:* traces everything to standard error; p2psync:link, p2psync:mirror, p2psync:publish and others trace one part.'
  ]
]

const files: ReadonlyArray<[file: string, meaning: string]> = [
  ['.p2psync/', 'In the folder: its marker, its log, and the state that this machine keeps of it. It never travels.'],
  ['.p2psync/folder.json', 'The marker. Without it p2psync publishes, writes and deletes nothing.'],
  ['.p2psync/allow', 'Public keys of machines that may connect, one a line, in addition to those of --allow.'],
  ['.p2psyncignore', 'In the folder: paths to leave out, in the syntax of .gitignore. The file itself travels.'],
  ['name.conflict-<time>-<host>', 'In a mirror: a local edit of a file that the source changed too.'],
  ['~/.local/state/p2psync/identity', 'The secret key of this machine, for its user only.']
]

function listOf(commands: readonly CommandText[]): string[] {
  const groups = groupBy(commands, ({ heading }) => heading)
  return [...groups].flatMap(([heading, of]) => [
    '.PP',
    text(heading),
    '.PD 0',
    ...of.flatMap((command) => item(command.name, command.summary || command.description)),
    '.PD'
  ])
}

function commandText(command: CommandText, all: readonly CommandText[]): string[] {
  const { usage, description, arguments: args, groups, examples, notes } = command
  const shared = sharedGroups(all).map(([heading]) => heading)
  const own = groups.filter(({ heading }) => !shared.includes(heading))
  const elsewhere = groups.filter(({ heading }) => shared.includes(heading)).map(({ heading }) => titleOf(heading))
  const topics = notes.filter((note) => typeof note !== 'string').map(({ heading }) => titleOf(heading))
  return [
    `.SS ${text(usage)}`,
    ...paragraphs([description]).slice(1),
    ...args.flatMap((argument) => item(argument.term, argument.description)),
    ...own.flatMap(({ options }) => options.filter(isNoHelp)).flatMap(optionItem),
    ...elsewhere.flatMap((heading) => paragraphs([`It also takes the options of ${heading}, below.`])),
    ...topics.flatMap((heading) => paragraphs([`See ${heading}, below.`])),
    ...paragraphs(notes.filter((note) => typeof note === 'string')),
    ...(examples.length === 0 ? [] : ['.PP', text(examples.length === 1 ? 'Example:' : 'Examples:')]),
    ...examples.flatMap(exampleText)
  ]
}

/** Options that several commands share, for sections of their own. */
function sharedGroups(
  commands: readonly CommandText[]
): ReadonlyArray<[heading: string, options: readonly OptionText[]]> {
  const network = commands.flatMap(({ groups }) => groups.filter(({ heading }) => heading === optionGroups.network))
  const [first] = network
  return first === undefined ? [] : [[first.heading, first.options]]
}

function topicsOf(commands: readonly CommandText[]): readonly Topic[] {
  const topics = commands.flatMap(({ notes }) => notes.filter((note): note is Topic => typeof note !== 'string'))
  return [...new Map(topics.map((topic) => [topic.heading, topic])).values()]
}

function section(heading: string, lines: readonly string[]): string[] {
  return [`.SH ${titleOf(heading)}`, ...(lines[0] === '.PP' ? lines.slice(1) : lines)]
}

/** The title of a section; headings of the help end in a colon. */
function titleOf(heading: string): string {
  return heading.replace(/:$/, '').toUpperCase()
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((paragraph) => ['.PP', text(paragraph)])
}

function item(term: string, description: string): string[] {
  return ['.TP', literal(term), text(description)]
}

// Every command has --help; the options of the program list it once.
function isNoHelp({ names }: OptionText): boolean {
  return !names.includes('--help')
}

function optionItem({ term, description }: OptionText): string[] {
  return item(term, description)
}

function exampleText(example: Example): string[] {
  const [line, does] = partsOf(example)
  return [
    '.PP',
    '.RS 4',
    '.nf',
    literal(`$ ${line}`),
    '.fi',
    ...(does === undefined ? [] : ['.RS 4', text(does), '.RE']),
    '.RE'
  ]
}

function firstSentence(description: string): string {
  return (description.split(/(?<=\.)\s/)[0] as string).replace(/\.$/, '')
}

function lowerFirst(sentence: string): string {
  return sentence.slice(0, 1).toLowerCase() + sentence.slice(1)
}
