import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { RecordOf } from '../../handle/operations.ts'
import type { PatchRecord } from '../../query/diff.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { type Lines, printRecords } from '../output/records.ts'
import { isNews, showChange } from '../output/show-entries.ts'
import { showLines } from '../output/text.ts'
import {
  addWhereOptions,
  isVersion,
  parseWhere,
  pathWithin,
  type WhereOptions,
  whereHelp,
  withLog
} from '../run/where.ts'

interface Options extends WhereOptions {
  readonly stat?: boolean
}

export function defineDiff(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Compares two versions; one version with the files on disk; or, without a version, the latest with the files on ' +
        'disk. A key has no files on disk: its latest version is compared with the one before.'
    )
    .argument('<where>', 'a folder or a key')
    .argument('[@V|path...]', 'up to two versions, then a path')
    .option('--stat', 'show only the changed paths, not the changed lines')
  addWhereOptions(command).action(async (where: string, rest: readonly string[], options: Options) => {
    const { place, version } = parseWhere(where)
    const { from, to, path } = parseDiffArguments(version === undefined ? rest : [`@${version}`, ...rest])
    const patch = options.stat !== true
    onStatus(
      await withLog(place, options, (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ from, to }), patch }
        return printRecords(log.ask('diff', params, signal), options.json, linesOf)
      })
    )
  })
  addExamples(
    command,
    [
      ['p2psync diff ./photos', 'changes not published yet; in a mirror, local differences'],
      'p2psync diff ./notes @-1 @1234 todo.txt',
      ['p2psync diff <key> @2h --stat', 'paths changed in the last two hours']
    ],
    whereHelp
  )
}

export interface DiffArguments {
  readonly from: string | undefined
  readonly to: string | undefined
  readonly path: string | undefined
}

/** Versions come first: an argument is one when it begins with `@`, or can name a version. @throws {SyncError} USAGE */
export function parseDiffArguments(args: readonly string[]): DiffArguments {
  const isPath = (arg: string) => !arg.startsWith('@') && !isVersion(arg)
  const firstPath = args.slice(0, 2).findIndex(isPath)
  const count = firstPath === -1 ? Math.min(2, args.length) : firstPath
  const [from, to] = args.slice(0, count).map((arg) => arg.replace(/^@/, ''))
  const [path, ...more] = args.slice(count)
  if (more.length > 0) throw new SyncError('USAGE', `${path} is no version. Give up to two versions, then a path`)
  return { from, to, path }
}

function linesOf(record: RecordOf<'diff'>): Lines {
  if (record.type === 'problem') return {}
  if (record.type === 'patch') return { out: patchText(record) }
  return isNews(record) ? { out: `${showChange(record)}\n` } : {}
}

const reasons = {
  binary: 'not text',
  large: 'too large to compare',
  'not held': 'no reachable peer has its content'
} as const

function patchText({ text, reason }: PatchRecord): string {
  if (reason !== undefined) return `  (${reasons[reason]})\n`
  // The library begins a patch with a ruler, which no tool needs.
  const lines = text.replace(/^=+\n/, '')
  return process.stdout.isTTY ? showLines(lines) : lines
}
