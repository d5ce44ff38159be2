import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addCommonOptions, type CommonOptions, folderOptions, parseDuration } from '../options/options.ts'
import { forever, runFolder } from '../run/session.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly poll?: number | true
  readonly rescanInterval?: number
  readonly checksum?: boolean
  readonly moved?: boolean
}

export function addShareCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addNetworkOptions(
    addCommonOptions(
      program
        .command('share')
        .summary('publish a directory and follow it')
        .description(
          'Publishes a directory and follows it. Prints its key, the same for ever: whoever has it can clone the ' +
            'directory, from here or from anybody who has cloned it. Ends on Ctrl-C; go on with the same command.'
        )
        .argument('<dir>', 'the directory to publish')
    )
  )
    .option(
      '--poll [interval]',
      'look at everything again and again, for network file systems (default: 2s)',
      parseDuration
    )
    .option(
      '--rescan-interval <interval>',
      'look at everything so often beside notifications (default: 10m)',
      parseDuration
    )
    .option('--checksum', 'read every file at the start, also those that look unchanged')
    .option('--moved', 'take a log that was restored or moved here, as the only copy that is ever used again')
    .action(async (directory: string, options: Options) => {
      const { moved, poll, rescanInterval, checksum = false } = options
      const { share } = await import('../../index.ts')
      const folder = share(directory, {
        ...connectOptions(options),
        checksum,
        ...folderOptions(options),
        ...(moved === undefined ? {} : { moved }),
        ...(poll === undefined ? {} : { poll: true }),
        ...(typeof poll === 'number' ? { pollIntervalMs: poll } : {}),
        ...(rescanInterval === undefined ? {} : { rescanIntervalMs: rescanInterval })
      })
      onStatus(await runFolder(folder, options, forever))
    })
  addExamples(
    command,
    [
      'p2psync share ./photos',
      ['p2psync share /mnt/nas/photos --poll 10s', 'on a network file system, which tells of no changes'],
      'p2psync share ./photos --json --state ~/.local/state/p2psync/photos'
    ],
    'What .p2psyncignore in the directory lists, in the syntax of .gitignore, is left out.'
  )
}
