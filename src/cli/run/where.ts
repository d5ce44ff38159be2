import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import type { OpenedLog } from '../../control/open.ts'
import type { KnownFolder } from '../../folder/known-folder.ts'
import { splitAtVersion } from '../../tree/version-name.ts'
import type { Topic } from '../manual/examples.ts'
import { optionGroups } from '../manual/help-style.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addStateOption, given, type StateOptions } from '../options/options.ts'
import { parseDuration } from '../options/parse.ts'
import { exitStatus } from '../output/exit-status.ts'
import { showName } from '../output/text.ts'
import { withSignals } from './signals.ts'

/** Options of the commands that read a log. */
export interface WhereOptions extends NetworkOptions, StateOptions {
  readonly cache?: string
  readonly timeout?: number
  readonly json?: boolean
}

/** A place and a version, as `where` names them. */
export interface Where {
  /** A directory, or a key. */
  readonly place: string
  /** As the user typed it; `undefined` for the latest. */
  readonly version: string | undefined
}

/** Splits `dir@V` and `key@V`. An existing directory whose name looks like that is a directory. */
export function parseWhere(text: string): Where {
  if (existsSync(text)) return { place: text, version: undefined }
  const [place, name] = splitAtVersion(text, Date.now())
  return { place, version: name && text.slice(place.length + 1) }
}

/** A version as an argument of its own, with or without `@`. */
export function parseVersion(text: string): string {
  const name = text.replace(/^@/, '')
  if (!isVersion(name)) throw new InvalidArgumentError('Give a version: 1234, -1, 2026-11-20T12:00, 2h.')
  return name
}

/** Whether a text, without `@`, names a version. */
export function isVersion(name: string): boolean {
  return splitAtVersion(`@${name}`, Date.now())[1] !== undefined
}

export function addWhereOptions(command: Command, json = 'print JSON, one object a line'): Command {
  addNetworkOptions(command)
    .option('--cache <dir>', 'keep data fetched for a key in this directory')
    .option('--timeout <time>', 'fail when no peer is found in this time (default: 30s)', parseDuration)
    .optionsGroup(optionGroups.state)
  return addStateOption(command).option('--json', json).optionsGroup(optionGroups.own)
}

/** The help topic of all commands that take a place. */
export const whereHelp: Topic = {
  heading: 'Places and versions',
  text:
    '<where> is a folder on this machine, shared or mirrored, whether p2psync is running on it or not; or a key: then ' +
    'only the requested data is fetched. A version follows an @: @1234, @-1 (the one before the latest), ' +
    '@2026-11-20T12:00 or @2h (the last version recorded by then).'
}

/**
 * Opens a log for `act`, until a signal to end, and closes it.
 *
 * @returns the exit status of `act`, `ok` when it gives none, or that of an interruption
 */
export function withLog(
  place: string,
  options: WhereOptions,
  act: (log: OpenedLog, signal: AbortSignal) => Promise<number | undefined>
): Promise<number> {
  const { state, cache, timeout } = options
  return withSignals(async (signal) => {
    const { openLog } = await import('../../control/open.ts')
    const log = await openLog(place, {
      ...connectOptions(options),
      ...given({ state, cache, timeoutMs: timeout }),
      onNotice: (message) => void process.stderr.write(`${showName(message)}\n`)
    })
    try {
      return (await act(log, signal)) ?? exitStatus.ok
    } finally {
      await log.close()
    }
  })
}

/** A path relative to the folder, when the user named a directory within the folder. */
export function pathWithin(
  { folder }: { readonly folder: KnownFolder | undefined },
  path: string | undefined
): { readonly path?: string } {
  const parts = [folder?.inside ?? '', withoutDots(path ?? '')].filter((part) => part !== '')
  return parts.length === 0 ? {} : { path: parts.join('/') }
}

/** `./sub/` and `/sub` are `sub`, `.` is the folder itself. */
function withoutDots(path: string): string {
  const trimmed = path.replace(/^(\.?\/)+/, '').replace(/(\/\.?)+$/, '')
  return trimmed === '.' ? '' : trimmed
}
