import type { Command } from 'commander'
import type { Selected } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { collect } from '../options/parse.ts'
import { print } from '../output/print.ts'
import { showJson, showName } from '../output/text.ts'

interface Options {
  readonly only?: readonly string[]
  readonly exclude?: readonly string[]
  readonly all?: boolean
  readonly version?: string
  readonly latest?: boolean
  readonly json?: boolean
}

export function defineSelect(command: Command): void {
  command
    .description(
      'Chooses the paths and the version that a mirror holds. A running mirror follows within a second, a stopped one ' +
        'when it next runs. Paths no longer selected are removed, except those changed in the mirror. --only and ' +
        '--exclude replace the earlier ones. Without options, prints the selection.'
    )
    .argument('<mirror>', 'a cloned directory')
    .option('--only <glob>', 'mirror only matching paths, as in .gitignore; may be repeated', collect(String))
    .option('--exclude <glob>', 'leave out matching paths; may be repeated', collect(String))
    .option('--all', 'mirror the whole folder')
    .option('--version <version>', 'hold this version: its number, -1, a time, or an age such as 2h')
    .option('--latest', 'follow the newest version')
    .option('--json', 'print the selection as a JSON object')
    .action(async (directory: string, { json, ...selection }: Options) => {
      const { selectFolder } = await import('../../mirror/change-selection.ts')
      const selected = await selectFolder(directory, given(selection))
      const lines = json ? [showJson({ type: 'selection', ...selected })] : linesOf(selected)
      await print(`${lines.join('\n')}\n`)
    })
  addExamples(command, [
    ['p2psync select ./mirror', 'prints the selection'],
    "p2psync select ./mirror --only docs/ --exclude '*.tmp'",
    'p2psync select ./mirror --all --latest',
    'p2psync select ./mirror --version 2026-11-20T12:00'
  ])
}

function linesOf({ only, exclude, version, pending }: Selected): readonly string[] {
  return [
    ...only.map((pattern) => `only ${showName(pattern)}`),
    ...exclude.map((pattern) => `exclude ${showName(pattern)}`),
    ...(only.length + exclude.length === 0 ? ['all'] : []),
    `version ${version ?? describePending(pending)}`
  ]
}

function describePending(pending: Selected['pending']): string {
  if (pending === null) return 'latest'
  if (pending.by === 'number') return `${pending.number}`
  const name = pending.by === 'back' ? `-${pending.count}` : new Date(pending.timeMs).toISOString()
  return `${name}, not yet found in the log`
}
