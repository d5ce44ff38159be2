import type { Argument, Command, Help, Option } from 'commander'
import { type Remarks, remarksOf } from './examples.ts'
import { argumentTerm, optionGroups } from './help-style.ts'

/** What a value names, for completion. `inside` is a path in the folder that the first argument names. */
export type Kind = 'directory' | 'file' | 'inside' | 'any'

export interface Value {
  readonly kind: Kind
  /** The only permitted values; empty for any. */
  readonly choices: readonly string[]
}

export interface ArgumentText extends Value {
  readonly name: string
  /** As the usage shows it: `<where>`, `[path]`. */
  readonly term: string
  readonly description: string
  readonly isVariadic: boolean
}

export interface OptionText {
  /** `-l` and `--long`, or one of them. */
  readonly names: readonly string[]
  /** As the help shows it: `-n, --limit <count>`. */
  readonly term: string
  readonly description: string
  /** The value that has to follow, or may. */
  readonly value: (Value & { readonly name: string }) | undefined
}

export interface OptionGroup {
  readonly heading: string
  readonly options: readonly OptionText[]
}

export interface CommandText extends Remarks {
  readonly name: string
  /** `p2psync ls [options] <where> [path]`. */
  readonly usage: string
  /** The heading above it in the list of commands. */
  readonly heading: string
  readonly summary: string
  readonly description: string
  readonly arguments: readonly ArgumentText[]
  readonly groups: readonly OptionGroup[]
}

export interface ProgramText extends CommandText {
  readonly version: string
  readonly commands: readonly CommandText[]
}

/** The help of a program as data, from which the manual and the completions are made. */
export function describeProgram(program: Command): ProgramText {
  const help = program.createHelp()
  const commands = help.visibleCommands(program).map((command) => describeCommand(command, program.createHelp()))
  return { ...describeCommand(program, help), version: program.version() ?? '', commands }
}

/** The options of a command, of all groups. */
export function optionsOf({ groups }: CommandText): readonly OptionText[] {
  return groups.flatMap(({ options }) => options)
}

/** `Map.groupBy`, which Node 20 lacks. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

function describeCommand(command: Command, help: Help): CommandText {
  const [first] = command.registeredArguments
  const groups = help.groupItems(
    [...command.options],
    help.visibleOptions(command),
    (option) => option.helpGroupHeading ?? optionGroups.own
  )
  return {
    name: command.name(),
    usage: help.commandUsage(command),
    heading: command.helpGroup(),
    summary: command.summary(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => describeArgument(argument, first, help)),
    groups: [...groups].map(([heading, options]) => ({
      heading,
      options: options.map((option) => describeOption(option, help))
    })),
    ...remarksOf(command)
  }
}

function describeArgument(argument: Argument, first: Argument | undefined, help: Help): ArgumentText {
  const name = argument.name()
  const kind = kindOf(name)
  const isInside = kind === 'file' && first !== undefined && first !== argument && kindOf(first.name()) === 'directory'
  return {
    name,
    term: argumentTerm(argument),
    description: help.argumentDescription(argument),
    isVariadic: argument.variadic,
    kind: isInside ? 'inside' : kind,
    choices: argument.argChoices ?? []
  }
}

function describeOption(option: Option, help: Help): OptionText {
  const { short, long, flags, argChoices } = option
  const [, name] = /[<[](.+)[\]>]$/.exec(flags) ?? []
  return {
    names: [short, long].filter((it) => it !== undefined),
    term: flags,
    description: help.optionDescription(option),
    value: name === undefined ? undefined : { name, kind: kindOf(name), choices: argChoices ?? [] }
  }
}

/** Derived from the words that all commands use for their arguments. */
function kindOf(name: string): Kind {
  if (/\b(?:dir|folder|mirror|where)\b/.test(name)) return 'directory'
  return /\bpath\b/.test(name) ? 'file' : 'any'
}
