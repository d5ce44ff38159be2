import type { Command } from 'commander'
import type { OpenedLog } from '../../control/open.ts'
import type { WatchParams, WatchRecord } from '../../query/watch.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { print, printJson } from '../output/print.ts'
import { isNews, showChange, showEntry } from '../output/show-entries.ts'
import { showMany, showName } from '../output/text.ts'
import { WatchScreen } from '../output/watch-screen.ts'
import { addWhereOptions, parseVersion, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly since?: string
}

export function addWatchCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('watch')
      .summary('list a folder and follow its changes live')
      .description(
        'Lists what a folder has, then tells each change as it is made: added, changed, removed, moved. No content is ' +
          'fetched. It goes on when the source is restarted. On a terminal it is a live list: scroll by the arrows, end by q.'
      )
      .argument('<where>', 'a folder or a key')
      .argument('[path]', 'a directory or file in it')
      .option('--since <version>', 'tell what changed after this version instead of what there is', parseVersion)
  ).action(async (where: string, path: string | undefined, options: Options) => {
    onStatus(
      await withLog(where, options, async (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ since: options.since }) }
        if (!options.json && process.stdout.isTTY) await onScreen(log, where, params, signal)
        else for await (const record of log.ask('watch', params, signal)) await tell(record, options)
        return undefined
      })
    )
  })
  addExamples(
    command,
    [
      'p2psync watch <key>',
      'p2psync watch ./photos 2024',
      `p2psync watch <key> --json | jq -r 'select(.type == "added").path'`
    ],
    'A line begins with + for what was added, ~ for what changed, > for what moved, - for what was removed.',
    whereHelp
  )
}

async function tell(record: WatchRecord, { json }: Options): Promise<void> {
  if (json) await printJson(record)
  else for (const line of linesOf(record)) await print(`${line}\n`)
}

/** Until the user ends it. */
async function onScreen(log: OpenedLog, where: string, params: WatchParams, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  const screen = new WatchScreen(where, end)
  try {
    for await (const record of log.ask('watch', params, stop.signal)) screen.tell(record)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    screen.close()
  }
}

function linesOf(record: WatchRecord): readonly string[] {
  switch (record.type) {
    case 'entry':
      return [`  ${showName(showEntry(record, record.path))}`]
    case 'listed':
      process.stderr.write(
        `${showMany(record.entries, 'entry').replace('entrys', 'entries')}; following version ${record.version}\n`
      )
      return []
    case 'rewound':
      process.stderr.write('The log came back with another past: what differs follows\n')
      return []
    case 'version':
      return []
    default:
      return isNews(record) ? [showChange(record)] : []
  }
}
