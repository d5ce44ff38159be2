import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { print, printJson } from '../output/print.ts'

interface Options {
  readonly json?: boolean
}

export function defineId(command: Command): void {
  command
    .description(
      'Prints the public key by which other machines know this one. It never changes. Its secret key is made at the ' +
        'first use and kept in $XDG_STATE_HOME/p2psync/identity (~/.local/state/p2psync/identity), for this user only.'
    )
    .option('--json', 'print the key as a JSON object')
    .action(async ({ json }: Options) => {
      const { machineKey } = await import('../../peers/machine-key.ts')
      const key = machineKey()
      await (json ? printJson({ type: 'identity', key }) : print(`${key}\n`))
    })
  addExamples(
    command,
    ['p2psync id', 'p2psync id --json'],
    'The key is no secret. It is not the key of a folder, and gives access to nothing.'
  )
}
