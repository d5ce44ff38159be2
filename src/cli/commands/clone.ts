import type { Command } from 'commander'
import type { KeepReplaced } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addCommonOptions, type CommonOptions, folderOptions, given } from '../options/options.ts'
import { collect, parseDuration, parseKeepReplaced } from '../options/parse.ts'
import { runFolder } from '../run/session.ts'
import { untilCloned } from '../run/until-cloned.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly adopt?: boolean
  readonly keepReplaced?: KeepReplaced
  readonly only?: readonly string[]
  readonly exclude?: readonly string[]
  readonly rebuild?: boolean
  readonly once?: boolean
  readonly safeLinks?: boolean
  readonly timeout?: number
}

export function defineClone(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Mirrors the directory of a key and follows its changes. Started again in the same directory, it continues. Your ' +
        'own changes in the mirror are never overwritten: they stay, or are kept as name.conflict-<time>-<host>.'
    )
    .argument('<key>', 'the key that share printed; <key>@<version> keeps the mirror at a version')
    .argument('<dir>', 'a new or empty directory, or a mirror of this key')
  addNetworkOptions(addCommonOptions(command))
    .option('--once', 'end when the mirror has the newest version of its peers')
    .option(
      '--timeout <time>',
      'fail when no peer is found, or with --once the disk stays full, for this time (default with --once: 60s)',
      parseDuration
    )
    .option(
      '--keep-replaced <time[,size]>',
      'keep large files that the source replaces or removes for this time, up to this size, or none; stored with the mirror (default: 7d, 10% of the disk)',
      parseKeepReplaced
    )
    .option('--only <glob>', 'mirror only matching paths, as in .gitignore; may be repeated', collect(String))
    .option('--exclude <glob>', 'leave out matching paths; may be repeated', collect(String))
    .option('--safe-links', 'refuse symlinks that are absolute or could lead out of the folder')
    .option('--adopt', 'accept a directory that is not empty; its files are kept')
    .option('--rebuild', 'set a damaged log aside and fetch it again; matching files are kept')
    .action(async (where: string, directory: string, options: Options) => {
      const { adopt, keepReplaced, rebuild, safeLinks, only, exclude } = options
      const [key, version] = splitKey(where)
      const { checkClone } = await import('../../handle/preflight.ts')
      checkClone(key, directory, given({ adopt }))
      const { clone } = await import('../../index.ts')
      const folder = clone(key, directory, {
        ...connectOptions(options),
        ...folderOptions(options),
        ...given({ version, only, exclude, adopt, keepReplaced, rebuild, safeLinks })
      })
      onStatus(await runFolder(folder, options, untilCloned(folder, options)))
    })
  addExamples(command, [
    'p2psync clone <key> ./mirror',
    'p2psync clone <key> ./mirror --once && echo complete',
    ['p2psync clone <key> ./copy-from-usb-disk --adopt', 'fetches only contents that the directory lacks'],
    ["p2psync clone <key> ./mirror --only docs/ --only '*.md' --exclude '*.tmp'", 'mirrors a part of the folder'],
    'p2psync clone <key>@1234 ./as-it-was',
    'p2psync clone <key>@2026-11-20T12:00 ./as-it-was'
  ])
}

/** A key contains no `@`, so anything after one is a version. */
function splitKey(text: string): readonly [key: string, version: string | undefined] {
  const at = text.indexOf('@')
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
