import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { Limits } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { parseRate } from '../options/options.ts'
import { showBytes, showJson } from '../output/text.ts'

interface Options {
  readonly up?: number
  readonly down?: number
  readonly json?: boolean
}

export function addLimitCommand(program: Command): void {
  const command = program
    .command('limit')
    .summary('change the bandwidth of a folder, also at work')
    .description(
      'Changes how many bytes per second a folder may send to and receive from all its peers together. One that is at ' +
        'work keeps to it within a second; so does every later run that is given no limits of its own.'
    )
    .argument('<folder>', 'a shared directory or a mirror')
    .option('--up <rate>', 'send no more than this, such as 500k or 2M; none for no limit', parseRate)
    .option('--down <rate>', 'receive no more than this', parseRate)
    .option('--json', 'print the limits as a JSON object')
    .action(async (directory: string, { up, down, json }: Options) => {
      if (up === undefined && down === undefined) {
        throw new SyncError('USAGE', 'Give --up or --down, such as --up 500k or --up none')
      }
      const { limitFolder } = await import('../../index.ts')
      const limits = limitFolder(directory, { up, down })
      if (json) process.stdout.write(`${showJson({ type: 'limits', ...limits })}\n`)
      else process.stderr.write(`Limits now: ${describe(limits)}\n`)
    })
  addExamples(command, ['p2psync limit ./photos --up 500k', 'p2psync limit ./photos --up none --down none'])
}

function describe({ up, down }: Limits): string {
  const show = (rate: number | undefined) => (rate === undefined ? 'no limit' : `${showBytes(rate)}/s`)
  return `up ${show(up)}, down ${show(down)}`
}
