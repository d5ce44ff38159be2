import type { Command } from 'commander'
import type { RestoreRecord } from '../../change/restore.ts'
import { SyncError } from '../../errors.ts'
import { splitAtVersion } from '../../tree/version-name.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { given } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { showBytes, showMany, showName } from '../output/text.ts'
import { addFolderOptions, type FolderOptions, withFolder } from '../run/folder-operation.ts'
import { parseWhere, pathWithin } from '../run/where.ts'
import { getInto } from './get.ts'

interface Options extends FolderOptions, NetworkOptions {
  readonly to?: string
  readonly force?: boolean
  readonly dryRun?: boolean
}

export function addRestoreCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addNetworkOptions(
    addFolderOptions(
      program
        .command('restore')
        .summary('bring a path, or all, back to a version')
        .description(
          'Brings a folder, or a path of it, back to what a version had. What stands there and was never published is ' +
            'kept as name.conflict-<time>-<host>. At the source it becomes a new version; in a mirror it differs from ' +
            'the source from then on, until the source changes it or p2psync revert. Files of your own, which were ' +
            'never published, stay. With --to nothing is replaced, and what is written is that version alone.'
        )
        .argument('<folder>', 'a shared directory or a mirror, and perhaps @version')
        .argument('[path@version]', 'a directory or file in it, and the version; or @version for all of it')
        .option('--to <path>', 'write it there instead, as p2psync get does')
        .option('--force', 'with --to, replace a file that is there')
        .option('--dry-run', 'only say what would be done')
    )
  ).action(async (directory: string, text: string | undefined, options: Options) => {
    const { folder, path, version } = parse(directory, text)
    const { state, to, force, dryRun } = options
    if (to !== undefined) {
      onStatus(await getInto(folder, options, { ...given({ path, force }), version, to }, options.json))
      return
    }
    const atRest = { ...connectOptions(options), ...given({ state }), online: true }
    onStatus(
      await withFolder(folder, atRest, (ask, found) => {
        const params = { version, ...pathWithin({ folder: found }, path), ...given({ dryRun }) }
        return show(ask('restore', params), options, found.role)
      })
    )
  })
  addExamples(command, [
    'p2psync restore ./notes todo.txt@-1',
    'p2psync restore ./photos 2024/summer@2026-11-01 --dry-run',
    'p2psync restore ./photos @2h',
    'p2psync restore ./photos @1234 --to ./photos-as-they-were'
  ])
}

/** The version stands behind the folder, or behind the path. */
function parse(
  directory: string,
  text: string | undefined
): { readonly folder: string; readonly path: string | undefined; readonly version: string } {
  const { place, version } = parseWhere(directory)
  const [path, name] = text === undefined ? [undefined, undefined] : splitAtVersion(text, Date.now())
  const behind = name === undefined || text === undefined ? undefined : text.slice((path ?? '').length + 1)
  if (version !== undefined && behind !== undefined) throw new SyncError('USAGE', 'Give one version, not two')
  const given = behind ?? version
  if (given === undefined) {
    throw new SyncError('USAGE', 'Give the version, such as todo.txt@-1 or @2h. p2psync log lists them')
  }
  return { folder: place, path: path === '' ? undefined : path, version: given }
}

const verbs: Readonly<Record<Extract<RestoreRecord, { type: 'step' }>['op'], string>> = {
  'make-directory': '+',
  write: '~',
  move: '>',
  'set-metadata': '~',
  remove: '-'
}

async function show(
  records: AsyncIterable<RestoreRecord>,
  { json, dryRun }: Options,
  role: 'writer' | 'reader'
): Promise<number> {
  let problems = 0
  for await (const record of records) {
    if (record.type === 'problem') problems++
    if (json) await printJson(record)
    else if (record.type === 'restored') process.stderr.write(`${summaryOf(record, role)}\n`)
    else if (record.type === 'problem') {
      process.stderr.write(`Problem: ${showName(record.path)}: ${showName(record.message)}\n`)
    } else if (record.type === 'conflict') process.stderr.write(`${conflictLine(record)}\n`)
    else if (dryRun) await print(`${stepLine(record)}\n`)
  }
  return problems > 0 ? exitStatus.partial : exitStatus.ok
}

function stepLine({ op, path, from, size }: Extract<RestoreRecord, { type: 'step' }>): string {
  const what = from === undefined ? showName(path) : `${showName(from)} → ${showName(path)}`
  return `${verbs[op]} ${what}${size === undefined || op === 'move' ? '' : `  ${showBytes(size)}`}`
}

function conflictLine({ path, keptAs }: Extract<RestoreRecord, { type: 'conflict' }>): string {
  return keptAs === undefined
    ? `${showName(path)} was never published as it is: it would be kept under another name`
    : `${showName(path)} was never published as it was: kept as ${showName(keptAs)}`
}

function summaryOf(
  { version, dryRun, changes, others }: Extract<RestoreRecord, { type: 'restored' }>,
  role: 'writer' | 'reader'
): string {
  const stays = others === 1 ? 'stays' : 'stay'
  const besides = others === 0 ? '' : `. ${showMany(others, 'path')} that the log never had as it is ${stays}`
  if (changes === 0) return `Nothing to change: it is as version ${version} had it${besides}`
  if (dryRun) return `Would restore version ${version}: ${showMany(changes, 'change')}${besides}`
  // It does so at once while it is shared.
  const then = role === 'writer' ? `, which ${changes === 1 ? 'becomes' : 'become'} a new version` : ''
  return `Restored version ${version}: ${showMany(changes, 'change')}${then}${besides}`
}
