import type { Command } from 'commander'
import type { RecordOf } from '../../handle/operations.ts'
import type { EntryRecord } from '../../query/records.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { showDetails, showEntry } from '../output/show-entries.ts'
import { showName } from '../output/text.ts'
import { addWhereOptions, parseWhere, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly long?: boolean
  readonly recursive?: boolean
}

export function addLsCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('ls')
      .summary('list a directory, at any version')
      .description('Lists what a folder has in a directory, now or at an earlier version, without a copy of it.')
      .argument('<where>', 'a folder or a key, and perhaps @version')
      .argument('[path]', 'a directory or file in it')
      .option('-l, --long', 'with mode, size and time')
      .option('-R, --recursive', 'also what lies in directories')
  ).action(async (where: string, path: string | undefined, options: Options) => {
    const { place, version } = parseWhere(where)
    const recursive = options.recursive === true
    onStatus(
      await withLog(place, options, (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ version }), recursive }
        return show(log.ask('list', params, signal), params.path, options)
      })
    )
  })
  addExamples(
    command,
    [
      'p2psync ls ./photos',
      ['p2psync ls <key> 2024/summer -l', 'of a key, without a clone'],
      ['p2psync ls ./photos@2h -R', 'all that it had two hours ago']
    ],
    whereHelp
  )
}

async function show(
  records: AsyncIterable<RecordOf<'list'>>,
  directory: string | undefined,
  options: Options
): Promise<number> {
  let problems = 0
  for await (const record of records) {
    if (record.type === 'problem') problems++
    if (options.json) await printJson(record)
    else if (record.type === 'entry') await print(`${lineOf(record, directory, options)}\n`)
    else if (record.type === 'problem') {
      process.stderr.write(`Problem: ${showName(record.path)}: ${showName(record.message)}\n`)
    }
  }
  return problems > 0 ? exitStatus.partial : exitStatus.ok
}

function lineOf(entry: EntryRecord, directory: string | undefined, { long }: Options): string {
  const prefix = directory === undefined ? 0 : directory.replace(/\/+$/, '').length + 1
  // A file that was named itself keeps its name.
  const name = entry.path.length > prefix ? entry.path.slice(prefix) : entry.path
  const shown = showEntry(entry, name)
  const safe = process.stdout.isTTY ? showName(shown) : shown
  return long ? `${showDetails(entry)}  ${safe}` : safe
}
