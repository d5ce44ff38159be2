import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { loadCommands } from '../../../src/cli/commands.ts'
import { script } from '../../../src/cli/completion/script.ts'
import { createProgram } from '../../../src/cli/main.ts'
import { describeProgram, optionsOf } from '../../../src/cli/manual/describe.ts'
import { start } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'

type Shell = 'bash' | 'zsh' | 'fish'

const { commands } = describeProgram(await loadCommands(createProgram(() => {})))
const names = commands.map(({ name }) => name)
const lsOptions = optionsOf(commands.find(({ name }) => name === 'ls') ?? raise()).flatMap(({ names }) => names)
const lsLong = lsOptions.filter((name) => name.startsWith('--'))
const directories = ['my photos', 'photos']
const inPhotos = ['2024', 'a.txt', 'b c.txt']

/** The typed text before Tab, and its completions. */
const cases: ReadonlyArray<[typed: string, offered: readonly string[], only?: readonly Shell[]]> = [
  ['p2psync ', names],
  ['p2psync l', ['limit', 'log', 'ls']],
  ['p2psync --v', ['--version']],
  ['p2psync ls --', lsLong],
  ['p2psync ls photos --rec', ['--recursive']],
  ['p2psync ls ', directories],
  ['p2psync ls my\\ ph', ['my photos']],
  ['p2psync ls photos ', inPhotos],
  ['p2psync ls -l photos@2h a', ['a.txt']],
  ['p2psync cat my\\ photos s', ['sub']],
  ['p2psync log -n 3 photos b', ['b c.txt']],
  ['p2psync log --limit=3 photos b', ['b c.txt']],
  ['p2psync diff photos @-1 @2h a', ['a.txt']],
  ['p2psync ls --state ph', ['photos']],
  ['p2psync ls --state=ph', ['photos']],
  ['p2psync get photos a.txt --to fi', ['file']],
  ['p2psync wait --timeout ', []],
  ['p2psync clone ', []],
  ['p2psync clone key ', directories],
  ['p2psync completion ', ['bash', 'fish', 'zsh']],
  ['p2psync help co', ['completion']],
  ['p2psync ls -- photos a', ['a.txt']]
]

/** The command that prints a line `==` and the completions of a script, for each typed line. */
const drivers: Readonly<Record<Shell, (script: string, lines: readonly string[]) => readonly string[]>> = {
  bash: (script, lines) => ['bash', '--norc', '-c', bashDriver, 'bash', script, ...lines],
  zsh: (script, lines) => ['zsh', '-f', '-c', zshDriver, 'zsh', script, ...lines],
  fish: (script, lines) => ['fish', '--no-config', '-c', fishDriver, script, ...lines]
}

// Bash splits a line at COMP_WORDBREAKS; these characters of it suffice here.
const bashDriver = script`
source "$1"; shift
for line in "$@"; do
  echo "== $line"
  COMP_LINE=$line COMP_POINT=$\{#line} COMP_WORDS=() COMP_CWORD=0 rest=$line COMPREPLY=()
  while [[ $rest =~ ^[[:blank:]]*(([^\ =@:\\]|\\.)+|[=@:]+)(.*)$ ]]; do
    COMP_WORDS+=("$\{BASH_REMATCH[1]}") rest=$\{BASH_REMATCH[3]}
  done
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$(($\{#COMP_WORDS[@]} - 1))
  _p2psync 2>/dev/null
  (($\{#COMPREPLY[@]} == 0)) || printf '%s\n' "$\{COMPREPLY[@]}"
done`

// Completion works only in an interactive shell. This one prints the completions instead of showing them.
const zshDriver = script`
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= PS2= RPS1=; stty -echo; autoload -Uz compinit; compinit -D -u; source $1; cd $PWD"
zpty -w z 'compadd() { if [[ $\{@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi'
zpty -w z 'typeset -a found; builtin compadd -A found "$@"; builtin compadd "$@"; local result=$?'
zpty -w z 'for it in $found; do print -r -- "HIT $it"; done; return $result }'
zpty -w z 'offer() { zle offered; print -r -- EN""D; zle kill-whole-line }; zle -C offered complete-word _main_complete; zle -N offer; bindkey "^I" offer; print REA""DY'
while zpty -r z line; do [[ $line == *READY* ]] && break; done
for typed in "$\{@:2}"; do
  print -r -- "== $typed"
  zpty -n -w z "$typed"$'\t'
  while zpty -r z line; do
    [[ $line == *HIT* ]] && print -r -- "$\{(Q)$\{$\{line#*HIT }%%$'\r'*}}"
    [[ $line == *END* ]] && break
  done
done
zpty -d z`

const fishDriver = `
source $argv[1]
for line in $argv[2..-1]
    echo "== $line"
    complete -C $line
end`

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`${shell} completes commands, options and paths`, async (t) => {
    const completion = await scriptOf(t, shell)
    const isThere = spawnSync(shell, ['-c', 'true']).status === 0
    if (!isThere) {
      t.ok(shell !== 'bash', 'bash is there')
      t.comment(`Not run by ${shell}, which isn't installed`)
      return
    }
    const cwd = await photos(t)
    const file = join(await t.tmp(), 'script')
    writeFileSync(file, completion)
    const lines = cases.map(([typed]) => typed)
    const [command = '', ...args] = drivers[shell](file, lines)
    const { stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
    t.is(stderr, '')
    const offers = offersIn(stdout)
    for (const [typed, offered] of cases) t.alike(offers.get(typed), [...offered].sort(), `${typed}⇥`)
  })

  test(`the script for ${shell} contains all commands and all their options`, async (t) => {
    const completion = await scriptOf(t, shell)
    const missed = commands.flatMap((command) => {
      const words = optionsOf(command).flatMap(({ names }) => names)
      return [command.name, ...words]
        .map((word) => (shell === 'fish' ? word.replace(/^--?/, '') : word))
        .filter((word) => !new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(completion))
    })
    t.alike(missed, [])
    t.ok(!/\p{Control}/u.test(completion.replaceAll('\n', '')), 'and has no control characters')
  })
}

test('the script for bash registers its function', async (t) => {
  const { status, stdout } = spawnSync('bash', [
    '--norc',
    '-c',
    'eval "$1"; complete -p p2psync',
    'bash',
    await scriptOf(t, 'bash')
  ])
  t.is(status, 0)
  t.is(String(stdout).trim(), 'complete -F _p2psync p2psync')
})

test('another shell is refused', async (t) => {
  const command = start(t, ['completion', 'tcsh'])
  t.is(await command.exit(), 2)
  matches(t, command.stderr, /Allowed choices are bash, zsh, fish/)
})

async function scriptOf(t: Assert, shell: Shell): Promise<string> {
  const command = start(t, ['completion', shell])
  t.is(await command.exit(), 0)
  t.is(command.stderr, '')
  return command.stdout
}

/** A directory with two folders, one with a space in its name. */
async function photos(t: Assert): Promise<string> {
  const cwd = await t.tmp()
  for (const directory of ['photos/2024', 'photos/.p2psync', 'my photos/sub'])
    mkdirSync(join(cwd, directory), { recursive: true })
  for (const file of ['file', 'photos/a.txt', 'photos/b c.txt']) writeFileSync(join(cwd, file), '')
  return cwd
}

/** The completions of each line: sorted, unique, without the slash after a directory, and without fish's descriptions. */
function offersIn(output: string): Map<string, string[]> {
  const offers = new Map<string, string[]>()
  let current: string[] = []
  for (const line of output.split('\n').slice(0, -1)) {
    if (line.startsWith('== ')) {
      current = []
      offers.set(line.slice(3), current)
      continue
    }
    const offer = line
      .replace(/\t.*/, '')
      .replace(/^--state=/, '')
      .replace(/\/$/, '')
    if (!current.includes(offer)) current.push(offer)
  }
  for (const offered of offers.values()) offered.sort()
  return offers
}

function raise(): never {
  throw new Error('There is no command ls')
}
