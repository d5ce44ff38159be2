import type { Command } from 'commander'
import type { RevertRecord } from '../../change/revert.ts'
import { SyncError } from '../../errors.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addFolderOptions, type FolderOptions, given } from '../options/options.ts'
import { type Lines, printRecords } from '../output/records.ts'
import { showMany, showName } from '../output/text.ts'
import { withFolder } from '../run/folder-operation.ts'
import { pathWithin } from '../run/where.ts'

interface Options extends FolderOptions, NetworkOptions {
  readonly yes?: boolean
  readonly dryRun?: boolean
}

export function defineRevert(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Discards the local changes of a mirror: changed and deleted paths become what the source has, and paths that a ' +
        'restore brought back are removed. The changes are lost for good, so without --yes they are only listed. Files ' +
        'of your own, which the source never had, stay.'
    )
    .argument('<mirror>', 'a cloned directory')
    .argument('[path]', 'only this directory or file')
  addNetworkOptions(addFolderOptions(command))
    .option('-y, --yes', 'discard the changes')
    .option('--dry-run', 'only list the changes (default)')
    .action(async (directory: string, path: string | undefined, options: Options) => {
      const { state, json, yes = false, dryRun = false } = options
      if (yes && dryRun) throw new SyncError('USAGE', 'Give --yes or --dry-run, not both')
      const openOptions = { ...connectOptions(options), ...given({ state }), online: yes }
      onStatus(
        await withFolder(directory, openOptions, (ask, folder) => {
          const params = { ...pathWithin({ folder }, path), dryRun: !yes }
          return printRecords(ask('revert', params), json, linesOf)
        })
      )
    })
  addExamples(command, [
    ['p2psync revert ./mirror', 'lists the local changes'],
    'p2psync revert ./mirror docs/todo.txt --yes'
  ])
}

const marks: Readonly<Record<Extract<RevertRecord, { type: 'diverged' }>['kind'], string>> = {
  added: '+',
  changed: '~',
  deleted: '-'
}

function linesOf(record: RevertRecord): Lines {
  switch (record.type) {
    case 'diverged':
      return { out: `${marks[record.kind]} ${showName(record.path)}\n` }
    case 'reverted':
      return { err: `${summaryOf(record)}\n` }
    default:
      return {}
  }
}

function summaryOf({ dryRun, changes }: Extract<RevertRecord, { type: 'reverted' }>): string {
  if (changes === 0) return 'Nothing differs from the source'
  const paths = showMany(changes, 'path')
  return dryRun ? `Would discard the local changes of ${paths}. Give --yes to do it` : `Reverted ${paths}`
}
