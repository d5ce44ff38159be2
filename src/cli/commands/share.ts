import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addCommonOptions, type CommonOptions, folderOptions, given } from '../options/options.ts'
import { parseDuration } from '../options/parse.ts'
import { forever, runFolder } from '../run/session.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly poll?: number | true
  readonly rescanInterval?: number
  readonly checksum?: boolean
  readonly moved?: boolean
}

export function defineShare(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Publishes a directory and follows its changes. Prints its key, which never changes: anyone who has the key can ' +
        'clone the directory, from this machine or from any that cloned it. Runs until Ctrl-C; the same command continues.'
    )
    .argument('<dir>', 'the directory to publish')
  addNetworkOptions(addCommonOptions(command))
    .option(
      '--poll [interval]',
      'scan the directory at this interval, for network file systems (default: 2s)',
      parseDuration
    )
    .option(
      '--rescan-interval <interval>',
      'scan the directory this often besides following notifications (default: 10m)',
      parseDuration
    )
    .option('--checksum', 'read every file at the start, even if it looks unchanged')
    .option('--moved', 'use a log that was moved or restored to this place; no other copy may ever be used')
    .action(async (directory: string, options: Options) => {
      const { moved, poll, rescanInterval: rescanIntervalMs, checksum = false } = options
      const { checkShare } = await import('../../handle/preflight.ts')
      checkShare(directory)
      const { share } = await import('../../index.ts')
      const folder = share(directory, {
        ...connectOptions(options),
        ...folderOptions(options),
        ...given({ moved, rescanIntervalMs, pollIntervalMs: typeof poll === 'number' ? poll : undefined }),
        checksum,
        poll: poll !== undefined
      })
      onStatus(await runFolder(folder, options, forever))
    })
  addExamples(
    command,
    [
      'p2psync share ./photos',
      ['p2psync share /mnt/nas/photos --poll 10s', 'a network file system, which sends no notifications'],
      'p2psync share ./photos --json --state ~/.local/state/p2psync/photos'
    ],
    'A file .p2psyncignore in the directory lists paths to leave out, in the syntax of .gitignore.'
  )
}
