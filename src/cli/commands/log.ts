import { type Command, InvalidArgumentError } from 'commander'
import type { RecordOf } from '../../handle/operations.ts'
import type { LoggedVersion } from '../../query/log.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { print, printJson } from '../output/print.ts'
import { isNews, showChange, showTime } from '../output/show-entries.ts'
import { showBytes, showMany } from '../output/text.ts'
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

/** Of one version, unless all are asked for. */
const pathsShown = 10

export function addLogCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('log')
      .summary('show the history, of the folder or of a path')
      .description(
        'Shows the versions of a folder, the newest first: number, time by the clock of its source, what changed, and ' +
          'the bytes that are new. With a path, the versions that changed it, or what lies beneath it.'
      )
      .argument('<where>', 'a folder or a key, and perhaps @version, to begin there')
      .argument('[path]', 'a directory or file in it, also one that is gone')
      .option('--since <version>', 'only what came after this version', parseVersion)
      .option('-n, --limit <count>', 'no more than so many versions', parseCount)
      .option('-a, --all', `all paths of each version, not the first ${pathsShown}`)
  ).action(async (where: string, path: string | undefined, options: Options) => {
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
    'A line begins with + for what was added, ~ for what changed, > for what moved, - for what was removed.',
    whereHelp
  )
}

async function show(records: AsyncIterable<RecordOf<'log'>>, { json, all }: Options): Promise<undefined> {
  let left = 0
  let hidden = 0
  const tellHidden = async () => {
    if (hidden > 0) await print(`  … and ${showMany(hidden, 'more path')}; --all shows all\n`)
    hidden = 0
  }
  for await (const record of records) {
    if (json) await printJson(record)
    else if (record.type === 'version') {
      await tellHidden()
      await print(`${titleOf(record)}\n`)
      left = all ? Number.POSITIVE_INFINITY : pathsShown
    } else if (!isNews(record)) continue
    else if (left-- > 0) await print(`  ${showChange(record)}\n`)
    else hidden++
  }
  await tellHidden()
}

function titleOf(version: LoggedVersion): string {
  const kinds = ['added', 'changed', 'moved', 'removed'] as const
  const counts = kinds
    .filter((kind) => version[kind] > 0)
    .map((kind) => `${version[kind].toLocaleString('en-US')} ${kind}`)
  const bytes = version.changedBytes > 0 ? [showBytes(version.changedBytes)] : []
  return [`version ${version.version}`, showTime(version.timeMs), counts.join(', '), ...bytes].join(' · ')
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!/^\d{1,9}$/.test(text) || count < 1) throw new InvalidArgumentError('Give a number of at least 1.')
  return count
}
