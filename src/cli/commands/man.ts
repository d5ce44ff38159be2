import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { print } from '../output/print.ts'

export function defineMan(
  command: Command,
  _onStatus: (status: number) => void,
  loadProgram: () => Promise<Command>
): void {
  command
    .description(
      'Prints the manual page, in roff. It says what all the helps say, and more. Where npm has installed p2psync for ' +
        'all, man p2psync shows it.'
    )
    .action(async () => {
      const { describeProgram } = await import('../manual/describe.ts')
      const { manualPage } = await import('../manual/manual.ts')
      await print(manualPage(describeProgram(await loadProgram()), new Date()))
    })
  addExamples(command, ['p2psync man | man -l -', 'p2psync man > p2psync.1'])
}
