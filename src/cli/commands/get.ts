import type { Command } from 'commander'
import type { GetParams, GetRecord, Readable } from '../../query/get.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { printJson } from '../output/print.ts'
import { showBytes, showMany, showName } from '../output/text.ts'
import { addWhereOptions, parseWhere, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly to?: string
  readonly force?: boolean
}

export function addGetCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('get')
      .summary('write a file or directory of any version to disk')
      .description(
        'Writes a file, or all of a directory, of now or of an earlier version to this machine, with modes and times. ' +
          'Each content is compared with its hash in the signed log.'
      )
      .argument('<where>', 'a folder or a key, and perhaps @version')
      .argument('[path]', 'a file or directory in it; all when left out')
      .option('--to <path>', 'write it there (default: its own name, here)')
      .option('--force', 'replace a file that is there')
  ).action(async (where: string, path: string | undefined, options: Options) => {
    const { place, version } = parseWhere(where)
    const { to, force } = options
    onStatus(await getInto(place, options, given({ path, version, to, force }), options.json))
  })
  addExamples(
    command,
    ['p2psync get <key> films/summer.mp4', 'p2psync get ./photos@2026-11-01 2024/summer --to ./summer-as-it-was'],
    whereHelp
  )
}

/** Writes what `params` names of a log. @returns the exit status */
export async function getInto(
  place: string,
  options: WhereOptions,
  params: GetParams,
  json: boolean | undefined
): Promise<number> {
  const { get } = await import('../../query/get.ts')
  return withLog(place, options, (log, signal) => {
    const readable: Readable = {
      list: (params) => log.ask('list', params, signal),
      content: (params, signal) => log.content(params, signal)
    }
    return show(get(readable, { ...params, ...pathWithin(log, params.path) }, signal), json)
  })
}

async function show(records: AsyncIterable<GetRecord>, json: boolean | undefined): Promise<number> {
  let problems = 0
  for await (const record of records) {
    if (record.type === 'problem') problems++
    if (json) await printJson(record)
    else if (record.type === 'problem') {
      process.stderr.write(`Problem: ${showName(record.path)}: ${showName(record.message)}\n`)
    } else if (record.type === 'got') {
      const what = `${showMany(record.files, 'file')}, ${showBytes(record.bytes)}`
      process.stderr.write(`Wrote ${showName(record.to)}: ${what} of version ${record.version}\n`)
    }
  }
  return problems > 0 ? exitStatus.partial : exitStatus.ok
}
