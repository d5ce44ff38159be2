import { type CommandText, type OptionText, optionsOf, type ProgramText, type Value } from '../manual/describe.ts'
import { script } from './script.ts'

/** A script with which fish completes the arguments of a program. */
export function fishCompletion(program: ProgramText): string {
  const { name, version, commands } = program
  const start = `complete -c _name`
  const isFirst = `-n '__name_at 0'`
  const lines = [
    `${start} -f`,
    ...optionsOf(program).map((option) => `${start} ${isFirst} ${flagsOf(option)}`),
    ...commands.map((it) => `${start} ${isFirst} -a ${it.name} -d ${quote(it.summary || it.description)}`),
    ...commands.flatMap(linesOf)
  ]
  const text = `# Completion of _name ${version} for fish. Printed by: _name completion fish

# Prints the options of a command that take a value.
function __name_valued
    switch $argv[1]
${commands.map(valuedOf).join('')}    end
end

${functions}
${lines.join('\n')}
`
  return text.replaceAll('_name', name)
}

function valuedOf(command: CommandText): string {
  const names = optionsOf(command).flatMap(({ names, value }) => (value === undefined ? [] : names))
  return names.length === 0
    ? ''
    : `        case ${command.name}\n            printf '%s\\n' ${names.map(quote).join(' ')}\n`
}

function linesOf(command: CommandText): string[] {
  const { name } = command
  const options = optionsOf(command).map(
    (option) => `complete -c _name -n '__name_in ${name}' ${flagsOf(option)}${followerOf(option)}`
  )
  const places = command.arguments.flatMap((argument, at) => {
    const words = wordsOf(argument)
    const range = argument.isVariadic ? `${at + 1} 9` : `${at + 1}`
    return words === '' ? [] : [`complete -c _name -n '__name_in ${name}; and __name_at ${range}' -a ${quote(words)}`]
  })
  return [...options, ...places]
}

function flagsOf({ names, description }: OptionText): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  return `${flags.join(' ')} -d ${quote(description)}`
}

function followerOf({ value }: OptionText): string {
  if (value === undefined) return ''
  const words = wordsOf(value)
  return words === '' ? ' -x' : ` -x -a ${quote(words)}`
}

/** The choices of a value, or the code that fish runs to find them. */
function wordsOf({ kind, choices }: Value): string {
  if (choices.length > 0) return choices.join(' ')
  switch (kind) {
    case 'directory':
      return '(__fish_complete_directories (commandline -ct) "")'
    case 'file':
      return '(__fish_complete_path (commandline -ct))'
    case 'inside':
      return '(__name_inside)'
    case 'any':
      return ''
  }
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}

const functions = script`# Prints the words before the completed one, without options and their values.
function __name_words
    set -l command
    set -l awaited
    set -l ended
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if set -q awaited[1]
            set -e awaited
        else if test "$word" = --; and not set -q ended[1]
            set ended yes
        else if string match -q -- '-?*' $word; and not set -q ended[1]
            if contains -- $word (__name_valued $command)
                set awaited yes
            end
        else
            set -q command[1]; or set command $word
            printf '%s\n' $word
        end
    end
end

function __name_in
    set -l words (__name_words)
    test "$words[1]" = $argv[1]
end

# Whether the number of words before is $argv[1], or from $argv[1] to $argv[2].
function __name_at
    set -l count (count (__name_words))
    test $count -ge $argv[1] -a $count -le $argv[-1]
end

# Prints the paths in the folder that the first argument names.
function __name_inside
    set -l words (__name_words)
    set -l place (string replace -r '^~/' "$HOME/" -- $words[2])
    test -d "$place"; or set place (string replace -r '@[^@]*$' '' -- $place)
    test -d "$place"; or return
    set -l current (commandline -ct)
    for path in $place/$current*
        set -l name (string sub -s (math (string length -- $place) + 2) -- $path)
        test -d $path; and set name $name/
        printf '%s\n' $name
    end
end
`
