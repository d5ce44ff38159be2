import type { Command } from 'commander'
import type { Selected } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { collect } from '../options/options.ts'
import { showJson, showName } from '../output/text.ts'

interface Options {
  readonly only?: string[]
  readonly exclude?: string[]
  readonly all?: boolean
  readonly version?: string
  readonly latest?: boolean
  readonly json?: boolean
}

export function addSelectCommand(program: Command): void {
  const command = program
    .command('select')
    .summary('change which part or version a mirror holds')
    .description(
      'Changes what a mirror holds, also while it is at work: it follows within a second, so does its next run. What is ' +
        'not selected any more is removed, but for what was changed in the mirror. --only and --exclude take the place ' +
        'of those that were given before. Without any option it prints what is selected.'
    )
    .argument('<mirror>', 'a directory that was cloned')
    .option('--only <glob>', 'hold only what this matches, as in .gitignore; may be repeated', collect)
    .option('--exclude <glob>', 'leave out what this matches; may be repeated', collect)
    .option('--all', 'hold all of the folder')
    .option('--version <version>', 'keep it at a version: its number, -1, a time or an age such as 2h')
    .option('--latest', 'follow the newest version')
    .option('--json', 'print what is selected as a JSON object')
    .action(async (directory: string, options: Options) => {
      const { only, exclude, all, version, latest, json } = options
      const { selectFolder } = await import('../../index.ts')
      const selected = await selectFolder(directory, {
        ...(only === undefined ? {} : { only }),
        ...(exclude === undefined ? {} : { exclude }),
        ...(all === undefined ? {} : { all }),
        ...(version === undefined ? {} : { version }),
        ...(latest === undefined ? {} : { latest })
      })
      const lines = json ? [showJson({ type: 'selection', ...selected })] : describe(selected)
      process.stdout.write(`${lines.join('\n')}\n`)
    })
  addExamples(command, [
    ['p2psync select ./mirror', 'says what is selected'],
    "p2psync select ./mirror --only docs/ --exclude '*.tmp'",
    'p2psync select ./mirror --all --latest',
    'p2psync select ./mirror --version 2026-11-20T12:00'
  ])
}

function describe({ only, exclude, version, pending }: Selected): readonly string[] {
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
  return `${name}, which the log has not told yet`
}
