import { type CommandText, groupBy, type Kind, optionsOf, type ProgramText, type Value } from '../manual/describe.ts'
import { quote, script } from './script.ts'

/** A script with which bash completes the arguments of a program. It also runs in bash 3.2, as macOS has it. */
export function bashCompletion(program: ProgramText): string {
  const { name, version, commands } = program
  const fn = `_${name}`
  const all = [program, ...commands]
  const options = all.map((command) => `    ${keyOf(command, program)}) options=${quote(optionWords(command))} ;;`)
  return `# Completion of ${name} ${version} for bash. Printed by: ${name} completion bash

# Sets options to the options of the command $1.
${fn}_options() {
  case $1 in
${options.join('\n')}
    *) return 1 ;;
  esac
}

# Sets kind to the kind of value of the option $2 of the command $1; fails if it takes none.
${fn}_value() {
  case "$1 $2" in
${cases(optionPatterns(commands))}
    *) return 1 ;;
  esac
}

# Sets kind to the kind of the argument at position $2 of the command $1.
${fn}_argument() {
  case "$1 $2" in
    ' 0') kind=${quote(wordsKind(commands.map((command) => command.name)))} ;;
${cases(commands.flatMap(argumentPatterns))}
    *) return 1 ;;
  esac
}

${functions.replaceAll('_program', fn)}
complete -F ${fn} ${name}
`
}

/** The program's own options have an empty command name. */
function keyOf(command: CommandText, program: ProgramText): string {
  return command === program ? "''" : command.name
}

function optionWords(command: CommandText): string {
  return optionsOf(command)
    .flatMap(({ names }) => names)
    .join(' ')
}

interface Pattern {
  readonly pattern: string
  readonly kind: string
}

/** An option that takes the same kind of value in all commands gets one pattern. */
function optionPatterns(commands: readonly CommandText[]): Pattern[] {
  const all = commands.flatMap((command) =>
    optionsOf(command).flatMap(({ names, value }) =>
      names.map((name) => ({ name, command: command.name, kind: value === undefined ? '' : kindOf(value) }))
    )
  )
  const patterns = [...groupBy(all, ({ name }) => name)].flatMap(([name, of]) => {
    const isSame = of.every(({ kind }) => kind === of[0]?.kind)
    const commands = isSame ? of.slice(0, 1).map((it) => ({ ...it, command: '?*' })) : of
    return commands.map(({ command, kind }) => ({ pattern: `${command}${quote(` ${name}`)}`, kind }))
  })
  return patterns.filter(({ kind }) => kind !== '')
}

function argumentPatterns(command: CommandText): Pattern[] {
  return command.arguments.map((argument, at) => ({
    pattern: `${quote(`${command.name} `)}${argument.isVariadic && at > 0 ? `[${at}-9]` : at}`,
    kind: kindOf(argument)
  }))
}

function kindOf({ kind, choices }: Value): Kind | string {
  return choices.length > 0 ? wordsKind(choices) : kind
}

function wordsKind(words: readonly string[]): string {
  return `words ${words.join(' ')}`
}

/** One branch for each kind, with all its patterns. */
function cases(patterns: readonly Pattern[]): string {
  const byKind = groupBy(patterns, ({ kind }) => kind)
  return [...byKind]
    .map(([kind, of]) => `    ${of.map(({ pattern }) => pattern).join(' | \\\n    ')}) kind=${quote(kind)} ;;`)
    .join('\n')
}

// Bash also splits words at = : @, and replaces only the last part of the completed word.
const functions = script`# Prints the completions of the typed text $1, by $kind.
_program_replies() {
  local typed=$1 place=$2 reply
  # Bash compares and inserts replies without quotes.
  [[ $typed == [\'\"]* ]] && typed=$\{typed:1}
  typed=$\{typed//\\/}
  case $kind in
    words*) compgen -W "$\{kind#words}" -- "$typed" ;;
    directory) compgen -d -- "$typed" ;;
    file) compgen -f -- "$typed" ;;
    inside)
      place=$\{place//[\\\'\"]/}
      [[ $place == '~/'* ]] && place=$HOME/$\{place#'~/'}
      [[ -d $place ]] || place=$\{place%@*}
      [[ -d $place ]] && (cd -- "$place" && compgen -f -X '.p2psync' -- "$typed" | while IFS= read -r reply; do
        [[ -d $reply ]] && reply=$reply/
        printf '%s\n' "$reply"
      done) ;;
  esac
}

_program() {
  local line=$COMP_LINE part words count=0 i
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=$\{COMP_WORDS[i]}
    if ((count > 0)) && [[ $line != [[:blank:]]* ]]; then
      words[count - 1]+=$part
    else
      words[count++]=$part
    fi
    line=$\{line#"$\{line%%[![:blank:]]*}"}
    line=$\{line#"$part"}
  done

  local command='' place='' position=0 kind='' awaited='' ended=''
  for ((i = 1; i < count - 1; i++)); do
    part=$\{words[i]}
    if [[ -n $awaited ]]; then
      awaited=''
    elif [[ -z $ended && $part == -- ]]; then
      ended=yes
    elif [[ -z $ended && $part == -?* ]]; then
      _program_value "$command" "$part" && awaited=$part
    elif [[ -z $command ]]; then
      command=$part
    elif ((position++ == 0)); then
      place=$part
    fi
  done

  local current=$\{words[count - 1]} before='' options='' last=$\{COMP_WORDS[COMP_CWORD]} kept reply
  [[ -z $\{last//[=:@]/} ]] && last=''
  kept=$\{current%"$last"}
  kind=''
  if [[ -n $awaited ]]; then
    _program_value "$command" "$awaited"
  elif [[ -z $ended && $current == --*=* ]]; then
    before=$\{current%%=*}=
    _program_value "$command" "$\{current%%=*}" || return 0
  elif [[ -z $ended && $current == -* ]]; then
    _program_options "$command" || return 0
    kind="words $options"
  else
    _program_argument "$command" "$position" || return 0
  fi

  COMPREPLY=()
  while IFS= read -r reply; do
    reply=$before$reply
    COMPREPLY+=("$\{reply#"$kept"}")
  done < <(_program_replies "$\{current#"$before"}" "$place")
  case $kind in
    directory | file | inside) compopt -o filenames 2>/dev/null ;;
  esac
  # No space after a directory: a path in it may follow.
  if (($\{#COMPREPLY[@]} == 1)) && [[ $\{COMPREPLY[0]} == */ ]]; then compopt -o nospace 2>/dev/null; fi
  return 0
}
`
