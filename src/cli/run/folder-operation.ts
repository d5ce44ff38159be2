import type { Command } from 'commander'
import { operateOn } from '../../control/operate.ts'
import { findFolder, type KnownFolder } from '../../folder/known-folder.ts'
import type { OpenIdleOptions } from '../../handle/open-idle.ts'
import type { FolderName, ParamsOf, RecordOf } from '../../handle/operations.ts'
import { listenForSignals } from './signals.ts'

/** Options of the commands that have something done with a folder. */
export interface FolderOptions {
  readonly state?: string
  readonly json?: boolean
}

export function addFolderOptions(command: Command): Command {
  return command
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print one JSON object a line')
}

/** Asks a folder, whether it is at work or not. */
export type Ask = <N extends FolderName>(name: N, params: ParamsOf<N>) => AsyncIterable<RecordOf<N>>

/**
 * Finds a folder and has things done with it, until a signal to end comes.
 *
 * @param options of who opens it, where nobody is at work on it
 * @returns the exit status: what `act` says, or that of an interruption
 */
export async function withFolder(
  directory: string,
  options: OpenIdleOptions,
  act: (ask: Ask, folder: KnownFolder) => Promise<number>
): Promise<number> {
  const folder = findFolder(directory, options.state)
  const stop = new AbortController()
  const signals = listenForSignals()
  const interrupted = signals.received.then((status) => {
    stop.abort()
    return status
  })
  try {
    return await act((name, params) => operateOn(folder, name, params, options, stop.signal), folder)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return await interrupted
  } finally {
    signals.end()
  }
}
