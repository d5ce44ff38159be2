import type { Command } from 'commander'
import type { RecordOf } from '../../handle/operations.ts'
import type { LoggedVersion } from '../../query/log.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { parseCount } from '../options/parse.ts'
import { print, printJson } from '../output/print.ts'
import { isNews, marksHelp, showChange, showTime } from '../output/show-entries.ts'
import { showBytes, showCount, showMany } from '../output/text.ts'
import {
  addWhereOptions,
  parseVersion,
  parseWhere,
  pathWithin,
  type WhereOptions,
  whereHelp,
  withLog
} from '../run/where.ts'

interface Options extends WhereOptions {
  readonly since?: string
  readonly limit?: number
  readonly all?: boolean
}

/** How many paths of a version to show without --all. */
const pathsShown = 10

export function defineLog(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Shows the versions of a folder, newest first: number, time by the clock of the source, changes, and new bytes. ' +
        'With a path, only the versions that changed it or something beneath it.'
    )
    .argument('<where>', 'a folder or a key, optionally with @version to start at')
    .argument('[path]', 'a directory or file in it, or one that was removed')
    .option('--since <version>', 'show only the versions after this one', parseVersion)
    .option('-n, --limit <count>', 'show at most this many versions', parseCount)
    .option('-a, --all', `show all paths of each version, not just the first ${pathsShown}`)
  addWhereOptions(command).action(async (where: string, path: string | undefined, options: Options) => {
    const { place, version } = parseWhere(where)
    const { since, limit } = options
    onStatus(
      await withLog(place, options, (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ version, since, limit }) }
        return show(log.ask('log', params, signal), options)
      })
    )
  })
  addExamples(
    command,
    [
      'p2psync log ./photos -n 5',
      ['p2psync log <key> notes/todo.txt', 'all versions of one file'],
      'p2psync log ./photos --since 7d'
    ],
    marksHelp,
    whereHelp
  )
}

async function show(records: AsyncIterable<RecordOf<'log'>>, { json, all }: Options): Promise<undefined> {
  let left = 0
  let hidden = 0
  const printHidden = async () => {
    if (hidden > 0) await print(`  … and ${showMany(hidden, 'more path')}; --all shows all\n`)
    hidden = 0
  }
  for await (const record of records) {
    if (json) await printJson(record)
    else if (record.type === 'version') {
      await printHidden()
      await print(`${titleOf(record)}\n`)
      left = all ? Number.POSITIVE_INFINITY : pathsShown
    } else if (!isNews(record)) continue
    else if (left-- > 0) await print(`  ${showChange(record)}\n`)
    else hidden++
  }
  await printHidden()
}

function titleOf(version: LoggedVersion): string {
  const kinds = ['added', 'changed', 'moved', 'removed'] as const
  const counts = kinds.filter((kind) => version[kind] > 0).map((kind) => `${showCount(version[kind])} ${kind}`)
  const bytes = version.changedBytes > 0 ? [showBytes(version.changedBytes)] : []
  return [`version ${version.version}`, showTime(version.timeMs), counts.join(', '), ...bytes].join(' · ')
}
