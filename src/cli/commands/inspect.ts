import type { Command } from 'commander'
import type { RecordOf } from '../../handle/operations.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { parseBlockIndex } from '../options/parse.ts'
import { printRecords } from '../output/records.ts'
import { showTime } from '../output/show-entries.ts'
import { showName } from '../output/text.ts'
import { addWhereOptions, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly from?: number
  readonly to?: number
}

export function defineInspect(command: Command, onStatus: (status: number) => void): void {
  command
    .description('Prints the blocks of the entries core, decoded, in order: for bug reports, and for the curious.')
    .argument('<where>', 'a folder or a key')
    .option('--from <block>', 'the first block; a negative one counts from the end (default: -20)', parseBlockIndex)
    .option('--to <block>', 'the block after the last', parseBlockIndex)
  addWhereOptions(command).action(async (where: string, options: Options) => {
    const { from, to, json } = options
    onStatus(
      await withLog(where, options, (log, signal) =>
        printRecords(log.ask('inspect', given({ from, to }), signal), json, (record) => ({
          out: `${lineOf(record)}\n`
        }))
      )
    )
  })
  addExamples(command, ['p2psync inspect ./photos', 'p2psync inspect <key> --from 1 --to 50 --json'], whereHelp)
}

function lineOf(record: RecordOf<'inspect'>): string {
  const { seq, op, key, valueBytes, nodes } = record
  const columns = [
    String(seq).padStart(8),
    op.padEnd(6),
    `${String(valueBytes).padStart(6)} B`,
    `${String(nodes).padStart(2)} nodes`
  ]
  return [...columns, '', record.head === undefined ? `${showName(key)}${detailsOf(record)}` : headText(record)].join(
    ' '
  )
}

function headText({ seq, head }: RecordOf<'inspect'>): string {
  if (head === undefined) return ''
  const flags = [head.partial ? ', partial' : '', head.unfinished ? ', unfinished' : ''].join('')
  const changes = `${head.puts} put, ${head.removals} removed`
  return `version ${seq + 1}, ${showTime(head.timeMs)}, ${changes}, before it ${head.before}${flags}`
}

function detailsOf({ entry, fault }: RecordOf<'inspect'>): string {
  if (fault !== undefined) return `: ${fault}`
  if (entry === undefined) return ''
  if (entry.type !== 'file') return ` (${entry.type})`
  const extents = entry.extents.map((extent) => {
    const blocks = extent.blocks > 1 ? `${extent.block}-${extent.block + extent.blocks - 1}` : String(extent.block)
    return `${extent.packed ? 'pack' : 'block'} ${blocks}+${extent.offset}:${extent.length}`
  })
  return ` (${entry.size} B, ${entry.hash.slice(0, 12)}, ${extents.join(' ')})`
}
