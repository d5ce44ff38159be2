import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { RecordOf } from '../../handle/operations.ts'
import type { PatchRecord } from '../../query/diff.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { isNews, showChange } from '../output/show-entries.ts'
import { showLines, showName } from '../output/text.ts'
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
  readonly stat?: boolean
}

export function addDiffCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('diff')
      .summary('show what changed between versions, or on disk')
      .description(
        'Shows what changed from one version to another; from one version to what the folder holds on disk, where only ' +
          'one is given; and from the latest where none is. Of a key, the latest is compared with the one before.'
      )
      .argument('<where>', 'a folder or a key')
      .argument('[@V|path...]', 'up to two versions, then a path')
      .option('--stat', 'only which paths changed, not what within them')
  ).action(async (where: string, rest: readonly string[], options: Options) => {
    const { place, version } = parseWhere(where)
    const { versions, path } = split(version === undefined ? rest : [`@${version}`, ...rest])
    const patch = options.stat !== true
    onStatus(
      await withLog(place, options, (log, signal) => {
        const [from, to] = versions
        const params = { ...pathWithin(log, path), ...given({ from, to }), patch }
        return show(log.ask('diff', params, signal), options)
      })
    )
  })
  addExamples(
    command,
    [
      ['p2psync diff ./photos', "what isn't published yet, or differs in a mirror"],
      'p2psync diff ./notes @-1 @1234 todo.txt',
      ['p2psync diff <key> @2h --stat', 'which paths changed in the last two hours']
    ],
    whereHelp
  )
}

/** Versions come first, and begin with `@`, or look like nothing else. */
function split(args: readonly string[]): { readonly versions: readonly string[]; readonly path: string | undefined } {
  const versions: string[] = []
  const paths: string[] = []
  for (const arg of args) {
    if (paths.length === 0 && versions.length < 2 && isVersion(arg)) versions.push(arg.replace(/^@/, ''))
    else paths.push(arg)
  }
  if (paths.length > 1) throw new SyncError('USAGE', `${paths[0]} is no version. Give up to two versions, then a path`)
  return { versions, path: paths[0] }
}

function isVersion(text: string): boolean {
  if (text.startsWith('@')) return true
  try {
    parseVersion(text)
    return true
  } catch {
    return false
  }
}

async function show(records: AsyncIterable<RecordOf<'diff'>>, { json }: Options): Promise<number> {
  let problems = 0
  for await (const record of records) {
    if (record.type === 'problem') problems++
    if (json) await printJson(record)
    else if (record.type === 'problem')
      process.stderr.write(`Problem: ${showName(record.path)}: ${showName(record.message)}\n`)
    else if (record.type === 'patch') await print(patchText(record))
    else if (isNews(record)) await print(`${showChange(record)}\n`)
  }
  return problems > 0 ? exitStatus.partial : exitStatus.ok
}

const reasons = {
  binary: 'not text',
  large: 'too large to be compared',
  'not held': 'nobody who can be reached has its content'
} as const

function patchText({ text, reason }: PatchRecord): string {
  if (reason !== undefined) return `  (${reasons[reason]})\n`
  // The line that says which tool made it says nothing.
  const lines = text.replace(/^=+\n/, '')
  return process.stdout.isTTY ? showLines(lines) : lines
}
