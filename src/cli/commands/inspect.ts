import { type Command, InvalidArgumentError } from 'commander'
import type { RecordOf } from '../../handle/operations.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { print, printJson } from '../output/print.ts'
import { showTime } from '../output/show-entries.ts'
import { showName } from '../output/text.ts'
import { addWhereOptions, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly from?: number
  readonly to?: number
}

export function addInspectCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('inspect')
      .summary('print the raw records of the log')
      .description('Prints what the blocks of the log say, one after the other: for the curious, and for bug reports.')
      .argument('<where>', 'a folder or a key')
      .option('--from <block>', 'the first; before 0 counted from the end (default: -20)', parseIndex)
      .option('--to <block>', 'the one behind the last', parseIndex)
  ).action(async (where: string, options: Options) => {
    const { from, to } = options
    onStatus(
      await withLog(where, options, async (log, signal) => {
        const params = given({ from, to })
        for await (const record of log.ask('inspect', params, signal)) {
          if (options.json) await printJson(record)
          else await print(`${lineOf(record)}\n`)
        }
        return undefined
      })
    )
  })
  addExamples(command, ['p2psync inspect ./photos', 'p2psync inspect <key> --from 1 --to 50 --json'], whereHelp)
}

function lineOf({ seq, op, key, valueBytes, nodes, entry, head, fault }: RecordOf<'inspect'>): string {
  const start = `${String(seq).padStart(8)} ${op.padEnd(6)} ${String(valueBytes).padStart(6)} B ${String(nodes).padStart(2)} nodes `
  if (head !== undefined) {
    const flags = [head.partial ? ', partial' : '', head.unfinished ? ', unfinished' : ''].join('')
    const changes = `${head.puts} put, ${head.removals} removed`
    return `${start} version ${seq + 1}, ${showTime(head.timeMs)}, ${changes}, before it ${head.before}${flags}`
  }
  if (fault !== undefined) return `${start} ${showName(key)}: ${fault}`
  if (entry?.type !== 'file') return `${start} ${showName(key)}${entry === undefined ? '' : ` (${entry.type})`}`
  const extents = entry.extents.map((extent) => {
    const blocks = extent.blocks > 1 ? `${extent.block}-${extent.block + extent.blocks - 1}` : String(extent.block)
    return `${extent.packed ? 'pack' : 'block'} ${blocks}+${extent.offset}:${extent.length}`
  })
  return `${start} ${showName(key)} (${entry.size} B, ${entry.hash.slice(0, 12)}, ${extents.join(' ')})`
}

function parseIndex(text: string): number {
  const index = Number(text)
  if (!/^-?\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give the index of a block.')
  return index
}
