import type { Command } from 'commander'
import type { RestoreRecord } from '../../change/restore.ts'
import { SyncError } from '../../errors.ts'
import { splitAtVersion } from '../../tree/version-name.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addFolderOptions, type FolderOptions, given } from '../options/options.ts'
import { type Lines, printRecords } from '../output/records.ts'
import { showBytes, showMany, showName } from '../output/text.ts'
import { withFolder } from '../run/folder-operation.ts'
import { getToDisk } from '../run/get-to-disk.ts'
import { parseWhere, pathWithin } from '../run/where.ts'

interface Options extends FolderOptions, NetworkOptions {
  readonly to?: string
  readonly force?: boolean
  readonly dryRun?: boolean
}

type Role = 'writer' | 'reader'

export function defineRestore(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Restores a folder, or a path in it, to a version. Local contents that were never published are kept as ' +
        'name.conflict-<time>-<host>; files that were never published stay. At the source, the result becomes a new ' +
        'version. In a mirror, it differs from the source until the source changes it, or until p2psync revert. With ' +
        '--to, nothing is replaced: the version is written elsewhere.'
    )
    .argument('<folder>', 'a shared or mirrored directory, optionally with @version')
    .argument('[path@version]', 'a path in it and the version; or @version for the whole folder')
  addNetworkOptions(addFolderOptions(command))
    .option('--to <path>', 'write to this path instead, like p2psync get')
    .option('--force', 'with --to, replace an existing file')
    .option('--dry-run', 'only show the changes')
    .action(async (directory: string, text: string | undefined, options: Options) => {
      const { place, path, version } = parseRestoreArguments(directory, text)
      const { state, json, to, force, dryRun } = options
      if (to !== undefined) {
        onStatus(await getToDisk(place, { ...given({ path, force }), version, to }, options))
        return
      }
      const openOptions = { ...connectOptions(options), ...given({ state }), online: true }
      onStatus(
        await withFolder(place, openOptions, (ask, folder) => {
          const params = { version, ...pathWithin({ folder }, path), ...given({ dryRun }) }
          return printRecords(ask('restore', params), json, (record) => linesOf(record, folder.role, dryRun))
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

export interface RestoreArguments {
  readonly place: string
  readonly path: string | undefined
  readonly version: string
}

/** The version follows the folder, or the path. @throws {SyncError} USAGE */
export function parseRestoreArguments(directory: string, text: string | undefined): RestoreArguments {
  const { place, version: ofFolder } = parseWhere(directory)
  const [path = '', name] = text === undefined ? [] : splitAtVersion(text, Date.now())
  const ofPath = name && text?.slice(path.length + 1)
  if (ofFolder !== undefined && ofPath !== undefined) throw new SyncError('USAGE', 'Give one version, not two')
  const version = ofPath ?? ofFolder
  if (version === undefined) {
    throw new SyncError('USAGE', 'Give the version, such as todo.txt@-1 or @2h. p2psync log lists them')
  }
  return { place, path: path === '' ? undefined : path, version }
}

const marks: Readonly<Record<Extract<RestoreRecord, { type: 'step' }>['op'], string>> = {
  'make-directory': '+',
  write: '~',
  move: '>',
  'set-metadata': '~',
  remove: '-'
}

function linesOf(record: RestoreRecord, role: Role, dryRun = false): Lines {
  switch (record.type) {
    case 'step':
      return dryRun ? { out: `${stepLine(record)}\n` } : {}
    case 'conflict':
      return { err: `${conflictLine(record)}\n` }
    case 'restored':
      return { err: `${summaryOf(record, role)}\n` }
    default:
      return {}
  }
}

function stepLine({ op, path, from, size }: Extract<RestoreRecord, { type: 'step' }>): string {
  const names = from === undefined ? showName(path) : `${showName(from)} → ${showName(path)}`
  return `${marks[op]} ${names}${size === undefined || op === 'move' ? '' : `  ${showBytes(size)}`}`
}

function conflictLine({ path, keptAs }: Extract<RestoreRecord, { type: 'conflict' }>): string {
  return keptAs === undefined
    ? `${showName(path)} has contents that were never published: they would be kept under another name`
    : `${showName(path)} had contents that were never published: kept as ${showName(keptAs)}`
}

function summaryOf(record: Extract<RestoreRecord, { type: 'restored' }>, role: Role): string {
  const { version, dryRun, changes, others } = record
  const kept = others === 0 ? '' : `. ${showMany(others, 'path')} with contents not in the log ${verb(others, 'stay')}`
  if (changes === 0) return `Nothing to change: the contents are those of version ${version}${kept}`
  if (dryRun) return `Would restore version ${version}: ${showMany(changes, 'change')}${kept}`
  // A running share publishes them at once.
  const published = role === 'writer' ? `, which ${verb(changes, 'become')} a new version` : ''
  return `Restored version ${version}: ${showMany(changes, 'change')}${published}${kept}`
}

function verb(count: number, plural: string): string {
  return count === 1 ? `${plural}s` : plural
}
