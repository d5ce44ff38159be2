import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { Limits } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { parseRate } from '../options/parse.ts'
import { printJson } from '../output/print.ts'
import { showBytes } from '../output/text.ts'

interface Options {
  readonly up?: number
  readonly down?: number
  readonly json?: boolean
}

export function defineLimit(command: Command): void {
  command
    .description(
      'Limits the bytes per second that a folder sends to and receives from all peers together. A running folder obeys ' +
        'within a second; later runs keep the limits, unless they are given others.'
    )
    .argument('<folder>', 'a shared or mirrored directory')
    .option('--up <rate>', 'send at most this, such as 500k or 2M; none for no limit', parseRate)
    .option('--down <rate>', 'receive at most this', parseRate)
    .option('--json', 'print the limits as a JSON object')
    .action(async (directory: string, { up, down, json }: Options) => {
      if (up === undefined && down === undefined) {
        throw new SyncError('USAGE', 'Give --up or --down, such as --up 500k or --up none')
      }
      const { limitFolder } = await import('../../peers/limit-folder.ts')
      const limits = limitFolder(directory, { up, down })
      if (json) await printJson({ type: 'limits', ...limits })
      else process.stderr.write(`Limits now: ${describe(limits)}\n`)
    })
  addExamples(command, ['p2psync limit ./photos --up 500k', 'p2psync limit ./photos --up none --down none'])
}

function describe({ up, down }: Limits): string {
  const show = (rate: number | undefined) => (rate === undefined ? 'no limit' : `${showBytes(rate)}/s`)
  return `up ${show(up)}, down ${show(down)}`
}
