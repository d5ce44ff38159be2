import type { Command } from 'commander'
import type { Collected } from '../../care/collect-garbage.ts'
import { addExamples } from '../manual/examples.ts'
import { addFolderOptions, type FolderOptions, given } from '../options/options.ts'
import { parseAge, parseCount } from '../options/parse.ts'
import { printRecords } from '../output/records.ts'
import { showBytes } from '../output/text.ts'
import { withFolder } from '../run/folder-operation.ts'

interface Options extends FolderOptions {
  readonly keep: number
  readonly keepVersions?: number
  readonly dryRun?: boolean
}

export function defineGc(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Frees the disk space of contents that only versions older than --keep refer to, on this machine only: other ' +
        'machines keep theirs. Younger versions stay readable, and so does the version that was the latest at that ' +
        'time. The list of all versions and their changes stays too, and so do the files of the folder. Small files ' +
        'share blocks: the source stores the rest of a mostly unused block again, and mirrors fetch that once more.'
    )
    .argument('<folder>', 'a shared or mirrored directory')
    .requiredOption('--keep <age>', 'keep versions younger than this, such as 12h, 30d, 2w or 1y', parseAge)
    .option('--keep-versions <n>', 'keep at least this many versions of any age (default: 1)', parseCount)
    .option('--dry-run', 'only show how much space would be freed')
  addFolderOptions(command, 'print the result as a JSON object').action(async (directory: string, options: Options) => {
    const { keep: keepMs, keepVersions, dryRun = false, state, json } = options
    onStatus(
      await withFolder(directory, given({ state }), (ask) =>
        printRecords(ask('gc', { keepMs, dryRun, ...given({ keepVersions }) }), json, (collected) => ({
          err: `${collectedLine(collected, dryRun)}\n`
        }))
      )
    )
  })
  addExamples(
    command,
    [
      ['p2psync gc ./photos --keep 30d --dry-run', 'shows how much space it would free'],
      'p2psync gc ./photos --keep 30d',
      'p2psync gc ./photos --keep 1y --keep-versions 10'
    ],
    'It needs some free space itself: it stores a part of the kept contents again before it frees the old ones.'
  )
}

/** The end of the year 9999. */
const timeMsMax = Date.UTC(10_000, 0)

/** The freed space is measured on the disk, where the databases need more than the contents. */
function collectedLine({ oldest, isCut, bytes, before, after }: Collected, dryRun: boolean): string {
  const freed = dryRun
    ? `Would free about ${showBytes(bytes)} of ${showBytes(before)}`
    : `Freed ${showBytes(Math.max(0, before - after))} of ${showBytes(before)}`
  if (oldest === null || !isCut) return `${freed}: all versions stay complete`
  // The time comes from the log, so a hostile writer can choose it.
  const date = oldest.timeMs < timeMsMax ? new Date(oldest.timeMs).toISOString().slice(0, 10) : 'no date'
  const verb = dryRun ? 'would keep' : 'keep'
  return `${freed}: versions before ${oldest.version} (${date}) ${verb} only contents of later ones`
}
