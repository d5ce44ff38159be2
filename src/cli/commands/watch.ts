import type { Command } from 'commander'
import type { OpenedLog } from '../../control/open.ts'
import type { WatchParams, WatchRecord } from '../../query/watch.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { type Lines, printRecords } from '../output/records.ts'
import { isNews, marksHelp, showChange, showEntry } from '../output/show-entries.ts'
import { showCount, showName } from '../output/text.ts'
import { addWhereOptions, parseVersion, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly since?: string
}

export function defineWatch(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Lists a folder, then shows each change as it happens: added, changed, removed or moved. It fetches no file ' +
        'contents, and continues when the source restarts. On a terminal it is a live list: arrows scroll, q ends.'
    )
    .argument('<where>', 'a folder or a key')
    .argument('[path]', 'a directory or file in it')
    .option('--since <version>', 'show the changes after this version instead of a list', parseVersion)
  addWhereOptions(command).action(async (where: string, path: string | undefined, options: Options) => {
    onStatus(
      await withLog(where, options, async (log, signal) => {
        const params = { ...pathWithin(log, path), ...given({ since: options.since }) }
        if (!options.json && process.stdout.isTTY) return showOnScreen(log, where, params, signal)
        return printRecords(log.ask('watch', params, signal), options.json, linesOf)
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
    marksHelp,
    whereHelp
  )
}

/** Until the user ends it. */
async function showOnScreen(
  log: OpenedLog,
  where: string,
  params: WatchParams,
  signal: AbortSignal
): Promise<undefined> {
  const { WatchScreen } = await import('../output/watch-screen.ts')
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  const screen = new WatchScreen(where, end)
  try {
    for await (const record of log.ask('watch', params, stop.signal)) screen.add(record)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    screen.close()
  }
}

function linesOf(record: WatchRecord): Lines {
  switch (record.type) {
    case 'entry':
      return { out: `  ${showName(showEntry(record, record.path))}\n` }
    case 'listed': {
      const noun = record.entries === 1 ? 'entry' : 'entries'
      return { err: `${showCount(record.entries)} ${noun}; following version ${record.version}\n` }
    }
    case 'rewound':
      return { err: 'The log of the source has a different history now; the differences follow\n' }
    case 'version':
      return {}
    default:
      return isNews(record) ? { out: `${showChange(record)}\n` } : {}
  }
}
