import type { Command } from 'commander'
import type { Collected } from '../../care/collect-garbage.ts'
import { addExamples } from '../manual/examples.ts'
import { given, parseAge, parseCount } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { printJson } from '../output/print.ts'
import { showBytes } from '../output/text.ts'
import { withFolder } from '../run/folder-operation.ts'

/** The end of the year 9999. */
const timeMsMax = Date.UTC(10_000, 0)

interface Options {
  readonly keep: number
  readonly keepVersions?: number
  readonly dryRun?: boolean
  readonly state?: string
  readonly json?: boolean
}

export function addGcCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('gc')
    .summary('give back the disk space of old versions')
    .description(
      'Forgets contents that only versions older than --keep have, here alone: other machines keep theirs. Versions ' +
        'that are younger can be read as before, as can the one that was in force then. What happened when stays ' +
        'known, and the files of the folder stay as they are. Of small files many lie in one block: what stays of a ' +
        'block that holds much to forget is stored anew at the source, and mirrors fetch it once more.'
    )
    .argument('<folder>', 'a shared directory or a mirror')
    .requiredOption('--keep <age>', 'keep all versions that are younger, such as 12h, 30d, 2w or 1y', parseAge)
    .option('--keep-versions <n>', 'keep at least so many, however old they are (default: 1)', parseCount)
    .option('--dry-run', 'only say how much it would give back')
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print the result as a JSON object')
    .action(async (directory: string, { keep, keepVersions, dryRun = false, json = false, state }: Options) => {
      onStatus(
        await withFolder(directory, given({ state }), async (ask) => {
          for await (const collected of ask('gc', { keepMs: keep, dryRun, ...given({ keepVersions }) })) {
            if (json) await printJson(collected)
            else process.stderr.write(`${describe(collected, dryRun)}\n`)
          }
          return exitStatus.ok
        })
      )
    })
  addExamples(
    command,
    [
      ['p2psync gc ./photos --keep 30d --dry-run', 'says how much it would give back'],
      'p2psync gc ./photos --keep 30d',
      'p2psync gc ./photos --keep 1y --keep-versions 10'
    ],
    'It needs room for a part of what stays, as that is written anew.'
  )
}

/** Freed is what the disk says: the databases take room for more than contents. */
function describe({ oldest, isCut, bytes, before, after }: Collected, dryRun: boolean): string {
  const what = dryRun
    ? `Would give back about ${showBytes(bytes)} of ${showBytes(before)}`
    : `Gave back ${showBytes(Math.max(0, before - after))} of ${showBytes(before)}`
  if (oldest === null || !isCut) return `${what}: all versions stay as they are`
  // A writer may have recorded any time.
  const date = oldest.timeMs < timeMsMax ? new Date(oldest.timeMs).toISOString().slice(0, 10) : 'no date'
  const verb = dryRun ? 'would have' : 'have'
  return `${what}: versions before ${oldest.version} (${date}) ${verb} only what later ones share`
}
