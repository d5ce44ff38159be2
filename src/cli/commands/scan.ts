import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addCommonOptions, type CommonOptions, folderOptions } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { failure, runFolder } from '../run/session.ts'

interface Options extends CommonOptions {
  readonly checksum?: boolean
}

export function addScanCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addCommonOptions(
    program
      .command('scan')
      .summary('publish what has changed, once, without a network')
      .description(
        'Looks at a directory that was shared before, publishes what has changed, and ends. It does so without a ' +
          'network: mirrors get it when the directory is next shared.'
      )
      .argument('<dir>', 'a directory that was shared before')
  )
    .option('--checksum', 'read every file, also those whose size and times say that nothing has changed')
    .action(async (directory: string, options: Options) => {
      const { checksum = false } = options
      const { share } = await import('../../index.ts')
      const folder = share(directory, {
        checksum,
        ...folderOptions(options),
        offline: true,
        existing: true,
        // Nothing is to be waited for: one look does.
        poll: true
      })
      const published = folder.published()
      published.catch(() => {}) // Closed first.
      const failed = failure(folder)
      const done = () =>
        Promise.race([failed, published.then(() => (folder.problems.length > 0 ? exitStatus.partial : exitStatus.ok))])
      // What it did is all that there is to say.
      const shown = { ...options, verbose: options.quiet !== true }
      onStatus(await runFolder(folder, shown, done, ({ type }) => options.json === true || type !== 'ready'))
    })
  addExamples(
    command,
    [
      'p2psync scan ./photos',
      ['p2psync scan ./photos --checksum', 'finds what a disk or a program has changed without a trace']
    ],
    'While the directory is being shared, end that first; share --checksum does the same at its start.'
  )
}
