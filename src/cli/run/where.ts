import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { type OpenedLog, openLog } from '../../control/open.ts'
import type { KnownFolder } from '../../folder/known-folder.ts'
import { splitAtVersion } from '../../tree/version-name.ts'
import type { Topic } from '../manual/examples.ts'
import { optionGroups } from '../manual/help-style.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { given, parseDuration } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { showName } from '../output/text.ts'
import { listenForSignals } from './signals.ts'

/** Options of the commands that read a log. */
export interface WhereOptions extends NetworkOptions {
  readonly state?: string
  readonly cache?: string
  readonly timeout?: number
  readonly json?: boolean
}

/** What is named by `where`, and at which version. */
export interface Where {
  /** A directory, or a key. */
  readonly place: string
  /** As it was given; `undefined` for the latest. */
  readonly version: string | undefined
}

/** `dir`, `key`, `dir@V`, `key@V`; a directory whose name ends so is one. */
export function parseWhere(text: string): Where {
  if (existsSync(text)) return { place: text, version: undefined }
  const [place, name] = splitAtVersion(text, Date.now())
  return { place, version: name && text.slice(place.length + 1) }
}

/** A version as an argument of its own, with `@` or without. */
export function parseVersion(text: string): string {
  if (splitAtVersion(`@${text.replace(/^@/, '')}`, Date.now())[1] === undefined) {
    throw new InvalidArgumentError('Give a version: 1234, -1, 2026-11-20T12:00, 2h.')
  }
  return text.replace(/^@/, '')
}

export function addWhereOptions(command: Command, json = 'print one JSON object a line'): Command {
  return addNetworkOptions(command)
    .option('--cache <dir>', 'keep what is fetched for a key in this directory, for the next time')
    .option('--timeout <time>', 'give up when no peer is found in this time (default: 30s)', parseDuration)
    .optionsGroup(optionGroups.state)
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', json)
    .optionsGroup(optionGroups.own)
}

/** Text of the help of all commands that take a place. */
export const whereHelp: Topic = {
  heading: 'Places and versions',
  text:
    '<where> is a folder on this machine, shared or mirrored, whether p2psync is at work on it or not; or a key, of ' +
    'which only what is asked for is fetched. A version stands behind an @: @1234, @-1 (the one before the latest), ' +
    '@2026-11-20T12:00 or @2h (the last one recorded by then).'
}

/**
 * Opens a log, does something with it, and closes it.
 *
 * @returns the exit status: what `act` says, or that of an interruption
 */
export async function withLog(
  place: string,
  options: WhereOptions,
  act: (log: OpenedLog, signal: AbortSignal) => Promise<number | undefined>
): Promise<number> {
  const stop = new AbortController()
  const signals = listenForSignals()
  const interrupted = signals.received.then((status) => {
    stop.abort()
    return status
  })
  const { state, cache, timeout } = options
  const work = async () => {
    const log = await openLog(place, {
      ...connectOptions(options),
      ...given({ state, cache, timeoutMs: timeout }),
      onNotice: (message) => void process.stderr.write(`${showName(message)}\n`)
    })
    try {
      return (await act(log, stop.signal)) ?? exitStatus.ok
    } finally {
      await log.close()
    }
  }
  const done = work()
  try {
    return await done
  } catch (error) {
    // What breaks off because the user wants it to end is no failure.
    if (!stop.signal.aborted) throw error
    return await interrupted
  } finally {
    signals.end()
  }
}

/** A path relative to the folder, where a directory within one was named. */
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
