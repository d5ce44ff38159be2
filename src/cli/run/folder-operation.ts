import type { KnownFolder } from '../../folder/known-folder.ts'
import type { OpenIdleOptions } from '../../handle/open-idle.ts'
import type { FolderName, ParamsOf, RecordOf } from '../../handle/operations.ts'
import { withSignals } from './signals.ts'

/** Runs an operation on a folder, in the process that runs it, or in this one. */
export type Ask = <N extends FolderName>(name: N, params: ParamsOf<N>) => AsyncIterable<RecordOf<N>>

/**
 * Finds a folder and runs operations on it, until a signal to end.
 *
 * @param options for opening the folder when no process runs it
 * @returns the exit status of `act`, or that of an interruption
 */
export async function withFolder(
  directory: string,
  options: OpenIdleOptions,
  act: (ask: Ask, folder: KnownFolder) => Promise<number>
): Promise<number> {
  const [{ findFolder }, { operateOn }] = await Promise.all([
    import('../../folder/known-folder.ts'),
    import('../../control/operate.ts')
  ])
  const folder = findFolder(directory, options.state)
  return withSignals((signal) => act((name, params) => operateOn(folder, name, params, options, signal), folder))
}
