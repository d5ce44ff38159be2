import type { Command } from 'commander'
import type { EntryRecord } from '../../query/records.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { printRecords } from '../output/records.ts'
import { showDetails, showEntry } from '../output/show-entries.ts'
import { showName } from '../output/text.ts'
import { addWhereOptions, parseWhere, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly long?: boolean
  readonly recursive?: boolean
}

export function defineLs(command: Command, onStatus: (status: number) => void): void {
  command
    .description('Lists a directory of a folder, at the latest or an earlier version. A key needs no clone.')
    .argument('<where>', 'a folder or a key, optionally with @version')
    .argument('[path]', 'a directory or file in it')
    .option('-l, --long', 'show mode, size and time')
    .option('-R, --recursive', 'list directories recursively')
  addWhereOptions(command).action(async (where: string, path: string | undefined, options: Options) => {
    const { place, version } = parseWhere(where)
    const { json, recursive = false } = options
    onStatus(
      await withLog(place, options, (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ version }), recursive }
        return printRecords(log.ask('list', params, signal), json, (record) =>
          record.type === 'entry' ? { out: `${lineOf(record, params.path, options)}\n` } : {}
        )
      })
    )
  })
  addExamples(
    command,
    [
      'p2psync ls ./photos',
      ['p2psync ls <key> 2024/summer -l', 'a directory of a key'],
      ['p2psync ls ./photos@2h -R', 'everything in it two hours ago']
    ],
    whereHelp
  )
}

function lineOf(entry: EntryRecord, directory: string | undefined, { long }: Options): string {
  const prefix = directory === undefined ? 0 : directory.replace(/\/+$/, '').length + 1
  // A listed file, unlike a listed directory, keeps its own path.
  const name = entry.path.length > prefix ? entry.path.slice(prefix) : entry.path
  const shown = showEntry(entry, name)
  const safe = process.stdout.isTTY ? showName(shown) : shown
  return long ? `${showDetails(entry)}  ${safe}` : safe
}
