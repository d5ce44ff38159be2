import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addCommonOptions, type CommonOptions, folderOptions } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { failure, runFolder } from '../run/session.ts'

interface Options extends CommonOptions {
  readonly checksum?: boolean
}

export function defineScan(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Scans a directory that was shared before, publishes the changes, and ends. It uses no network: mirrors receive ' +
        'the changes when the directory is next shared.'
    )
    .argument('<dir>', 'a directory that was shared before')
  addCommonOptions(command)
    .option('--checksum', 'read every file, even if its size and times are unchanged')
    .action(async (directory: string, options: Options) => {
      const { checksum = false } = options
      const { checkShare } = await import('../../handle/preflight.ts')
      checkShare(directory, { existing: true })
      const { share } = await import('../../index.ts')
      const folder = share(directory, {
        ...folderOptions(options),
        checksum,
        offline: true,
        existing: true,
        // One scan is enough: notifications would come too late for it.
        poll: true
      })
      const published = folder.published()
      published.catch(() => {}) // It rejects when the folder closes first.
      const failed = failure(folder)
      const statusPublished = () => (folder.problems.length > 0 ? exitStatus.partial : exitStatus.ok)
      const untilPublished = () => Promise.race([failed, published.then(statusPublished)])
      // The published version is the only news of this command, so it shows without --verbose.
      const shown = { ...options, verbose: options.quiet !== true }
      onStatus(await runFolder(folder, shown, untilPublished, ({ type }) => options.json === true || type !== 'ready'))
    })
  addExamples(
    command,
    [
      'p2psync scan ./photos',
      ['p2psync scan ./photos --checksum', 'also finds changes that left size and times as they were']
    ],
    'End a running share of the directory first, or use share --checksum.'
  )
}
