import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { getToDisk } from '../run/get-to-disk.ts'
import { addWhereOptions, parseWhere, type WhereOptions, whereHelp } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly to?: string
  readonly force?: boolean
}

export function defineGet(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Writes a file or a whole directory, at the latest or an earlier version, to this machine, with modes and times. ' +
        'It checks each content against its hash in the signed log.'
    )
    .argument('<where>', 'a folder or a key, optionally with @version')
    .argument('[path]', 'a file or directory in it (default: the whole folder)')
    .option('--to <path>', 'write to this path (default: its own name, in the current directory)')
    .option('--force', 'replace an existing file')
  addWhereOptions(command).action(async (where: string, path: string | undefined, options: Options) => {
    const { place, version } = parseWhere(where)
    const { to, force } = options
    onStatus(await getToDisk(place, given({ path, version, to, force }), options))
  })
  addExamples(
    command,
    ['p2psync get <key> films/summer.mp4', 'p2psync get ./photos@2026-11-01 2024/summer --to ./summer-as-it-was'],
    whereHelp
  )
}
