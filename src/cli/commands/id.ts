import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { showJson } from '../output/text.ts'

interface Options {
  readonly json?: boolean
}

export function addIdCommand(program: Command): void {
  const command = program
    .command('id')
    .summary("print this machine's public key")
    .description(
      'Prints the public key by which other machines know this one, the same for ever. Its secret is made at the ' +
        'first use and kept in $XDG_STATE_HOME/p2psync/identity (~/.local/state/p2psync/identity), for this user only.'
    )
    .option('--json', 'print it as a JSON object')
    .action(async ({ json }: Options) => {
      const { machineKey } = await import('../../index.ts')
      const key = machineKey()
      process.stdout.write(json ? `${showJson({ type: 'identity', key })}\n` : `${key}\n`)
    })
  addExamples(
    command,
    ['p2psync id', 'p2psync id --json'],
    'It is no secret, and not the key of a folder: it gives access to nothing.'
  )
}
