import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addCommonOptions, type CommonOptions, folderOptions, given } from '../options/options.ts'
import { parseDuration, parseShare } from '../options/parse.ts'
import { showVerification } from '../output/show-verification.ts'
import { findRunning } from '../run/find-running.ts'
import { withSignals } from '../run/signals.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly sample?: number
  readonly repair?: boolean
  readonly timeout?: number
}

export function defineVerify(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Reads the files and the store of a shared directory or a mirror, and checks them against the signed log. It ' +
        'names damaged files and blocks; --repair restores them from the store or from peers. Your own changes count ' +
        'as differences, and stay.'
    )
    .argument('<folder>', 'a shared or mirrored directory')
  addNetworkOptions(addCommonOptions(command))
    .option('--sample <share>', 'read a random part of the files and the store, such as 5%', parseShare)
    .option('--repair', 'restore damaged contents, from peers if needed')
    .option(
      '--timeout <time>',
      'with --repair, fail after this time without a peer or data from one (default: 60s)',
      parseDuration
    )
    .action(async (directory: string, options: Options) => {
      const { sample, repair, timeout: timeoutMs } = options
      const params = given({ sample, repair, timeoutMs })
      const { folder, client } = await findRunning(directory, options.state)
      const openOptions = { ...connectOptions(options), ...folderOptions(options) }
      const status = await withSignals(async (signal) => {
        if (client !== undefined) return showVerification(client.call('verify', params, signal), options)
        // Unlike an operation on an open folder, it also reports a store that can't be opened.
        const { verifyFolder } = await import('../../handle/verify-folder.ts')
        return showVerification(verifyFolder(folder.root, { ...openOptions, ...params, signal }), options)
      })
      onStatus(status)
    })
  addExamples(
    command,
    [
      'p2psync verify ./mirror',
      ['p2psync verify ./mirror --sample 5%', 'run every night, it reads everything within a few months'],
      'p2psync verify ./mirror --repair'
    ],
    'Exit status: 0 when nothing is damaged or everything was repaired; 15 when something stays damaged; 3 when only ' +
      'some contents could not be read.',
    'A file is damaged when its size and modification time are those of the log, but its bytes differ. If its other ' +
      'times changed too, a repair keeps the old contents as name.conflict-<time>-<host>.'
  )
}
