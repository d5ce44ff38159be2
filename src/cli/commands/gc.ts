import type { Command } from 'commander'
import type { Collected } from '../../index.ts'
import { addExamples } from '../examples.ts'
import { exitStatus } from '../exit-status.ts'
import { parseAge, parseCount } from '../options.ts'
import { runFolder } from '../session.ts'
import { showBytes, showJson } from '../text.ts'

/** The end of the year 9999. */
const timeMsMax = Date.UTC(10_000, 0)

interface Options {
  readonly keep: number
  readonly keepVersions?: number
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function addGcCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('gc')
    .summary('give back the disk space of old versions')
    .description(
      'Forgets contents that only versions older than --keep have, here alone: other machines keep theirs. Versions ' +
        'that are younger can be read as before, as can the one that was in force then. What happened when stays ' +
        'known, and the files of the folder stay as they are.'
    )
    .argument('<folder>', 'a shared directory or a mirror')
    .requiredOption('--keep <age>', 'keep all versions that are younger, such as 12h, 30d, 2w or 1y', parseAge)
    .option('--keep-versions <n>', 'keep at least so many, however old they are (default: 1)', parseCount)
    .option('--dry-run', 'only say how much it would give back')
    .option('--json', 'print the result as a JSON object')
    .action(async (directory: string, { keep, keepVersions, dryRun = false, json = false }: Options) => {
      const { openAtRest } = await import('../../index.ts')
      const folder = openAtRest(directory)
      const collect = async () => {
        const collected = await folder.collectGarbage({ keepMs: keep, keepVersions, dryRun })
        if (json) process.stdout.write(`${showJson({ type: 'gc', dryRun, ...collected })}\n`)
        else process.stderr.write(`${describe(collected, dryRun)}\n`)
        return exitStatus.ok
      }
      onStatus(await runFolder(folder, { json }, collect))
    })
  addExamples(
    command,
    [
      ['p2psync gc ./photos --keep 30d --dry-run', 'says how much it would give back'],
      'p2psync gc ./photos --keep 30d',
      'p2psync gc ./photos --keep 1y --keep-versions 10'
    ],
    'It needs room for a part of what stays, as that is written anew. While the directory is at work, end that first.'
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
