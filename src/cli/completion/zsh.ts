import { type CommandText, type OptionText, optionsOf, type ProgramText, type Value } from '../manual/describe.ts'
import { quote, script } from './script.ts'

/** A script with which zsh completes the arguments of a program, for a directory of `fpath`, or to be sourced. */
export function zshCompletion(program: ProgramText): string {
  const { name, version, commands } = program
  const summaries = commands.map(
    (command) => `    ${quote(`${command.name}:${command.summary || command.description}`)}`
  )
  const branches = commands.map((command) => `    ${command.name}) ${argumentsOf(specsOf(command))} ;;`)
  const text = `#compdef _name
# Completion of _name ${version} for zsh. Printed by: _name completion zsh

__name_commands() {
  local -a commands
  commands=(
${summaries.join('\n')}
  )
  _describe command commands
}

__name_command() {
  case $1 in
${branches.join('\n')}
  esac
}

__name() {
  local context state state_descr line curcontext=$curcontext
  typeset -A opt_args
  ${argumentsOf([...optionsOf(program).flatMap(specsOfOption), "'1: :__name_commands'", "'*::: :->rest'"], '-C')} && return
${functions}`
  return text.replaceAll('_name', name)
}

const functions = script`  [[ $state == rest ]] || return
  words=("$line[1]" "$\{words[@]}")
  ((CURRENT++))
  curcontext=$\{curcontext%:*}-$line[1]:
  __name_command $line[1]
}

# Completes paths within the folder.
__name_inside() {
  local place=$\{(Q)line[1]}
  place=$\{place/#\~\//$HOME/}
  [[ -d $place ]] || place=$\{place%@*}
  [[ -d $place ]] && _files -W $\{place:a} -F .p2psync
}

if [[ $funcstack[1] == __name ]]; then
  __name "$@"
else
  compdef __name _name
fi
`

function argumentsOf(specs: readonly string[], flags = '-s'): string {
  return [`_arguments ${flags} -S`, ...specs].join(' \\\n      ')
}

function specsOf(command: CommandText): string[] {
  return [
    ...optionsOf(command).flatMap(specsOfOption),
    ...command.arguments.map((argument, at) =>
      quote(`${argument.isVariadic ? '*' : at + 1}:${escapeSpec(argument.name)}:${actionOf(argument)}`)
    )
  ]
}

/** One spec for each name of an option; one name excludes the other. */
function specsOfOption({ names, description, value }: OptionText): string[] {
  return names.map((name) => {
    if (value === undefined) return quote(`(${names.join(' ')})${name}[${escapeSpec(description)}]`)
    // The value may follow a long name after =, a short one directly.
    const joint = name.startsWith('--') ? '=' : '+'
    return quote(`*${name}${joint}[${escapeSpec(description)}]:${escapeSpec(value.name)}:${actionOf(value)}`)
  })
}

function actionOf({ kind, choices }: Value): string {
  if (choices.length > 0) return `(${choices.join(' ')})`
  switch (kind) {
    case 'directory':
      return '_files -/'
    case 'file':
      return '_files'
    case 'inside':
      return '__name_inside'
    case 'any':
      return ' '
  }
}

function escapeSpec(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&')
}
