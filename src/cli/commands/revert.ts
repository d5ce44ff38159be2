import type { Command } from 'commander'
import type { RevertRecord } from '../../change/revert.ts'
import { SyncError } from '../../errors.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { given } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { showMany, showName } from '../output/text.ts'
import { type Ask, addFolderOptions, type FolderOptions, withFolder } from '../run/folder-operation.ts'
import { pathWithin } from '../run/where.ts'

interface Options extends FolderOptions, NetworkOptions {
  readonly yes?: boolean
  readonly dryRun?: boolean
}

export function addRevertCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addNetworkOptions(
    addFolderOptions(
      program
        .command('revert')
        .summary('drop what was changed in a mirror only')
        .description(
          'Makes what was changed or deleted in a mirror as its source has it again, and removes what a restore has ' +
            'brought that the source does not have any more. The changes go for good: they are listed first, and --yes ' +
            'has it done. Files of your own, which the source never had as they are, stay.'
        )
        .argument('<mirror>', 'a directory that was cloned')
        .argument('[path]', 'only this directory or file')
        .option('-y, --yes', 'do it')
        .option('--dry-run', 'only list what would go, as without --yes')
    )
  ).action(async (directory: string, path: string | undefined, options: Options) => {
    const { state, yes = false, dryRun = false } = options
    if (yes && dryRun) throw new SyncError('USAGE', 'Give --yes or --dry-run, not both')
    const atRest = { ...connectOptions(options), ...given({ state }), online: yes }
    onStatus(
      await withFolder(directory, atRest, (ask, folder) =>
        show(ask, { ...pathWithin({ folder }, path), dryRun: !yes }, options)
      )
    )
  })
  addExamples(command, [
    ['p2psync revert ./mirror', 'lists what differs'],
    'p2psync revert ./mirror docs/todo.txt --yes'
  ])
}

const marks: Readonly<Record<Extract<RevertRecord, { type: 'diverged' }>['kind'], string>> = {
  added: '+',
  changed: '~',
  deleted: '-'
}

async function show(
  ask: Ask,
  params: { readonly path?: string; readonly dryRun: boolean },
  { json }: Options
): Promise<number> {
  let problems = 0
  for await (const record of ask('revert', params)) {
    if (record.type === 'problem') problems++
    if (json) await printJson(record)
    else if (record.type === 'problem') {
      process.stderr.write(`Problem: ${showName(record.path)}: ${showName(record.message)}\n`)
    } else if (record.type === 'diverged') await print(`${marks[record.kind]} ${showName(record.path)}\n`)
    else process.stderr.write(`${summaryOf(record)}\n`)
  }
  return problems > 0 ? exitStatus.partial : exitStatus.ok
}

function summaryOf({ dryRun, changes }: Extract<RevertRecord, { type: 'reverted' }>): string {
  if (changes === 0) return 'Nothing differs from the source'
  const what = showMany(changes, 'path')
  return dryRun
    ? `${what} would be as the source has it again, and what is here gone. Give --yes to do it`
    : `Reverted ${what}`
}
