import type { KnownFolder } from '../folder/known-folder.ts'
import type { OpenIdleOptions } from '../handle/open-idle.ts'
import type { FolderName, ParamsOf, RecordOf } from '../handle/operations.ts'
import { ControlClient } from './client.ts'

/**
 * Has something done with a folder: by whoever is at work on it, or else by opening it for that alone.
 *
 * @throws {SyncError} LOCKED, and whatever the operation and opening the folder throw
 */
export async function* operateOn<N extends FolderName>(
  folder: KnownFolder,
  name: N,
  params: ParamsOf<N>,
  options: OpenIdleOptions,
  signal: AbortSignal
): AsyncGenerator<RecordOf<N>> {
  const client = await ControlClient.find(folder.home, folder.id)
  if (client !== undefined) {
    yield* client.call(name, params, signal)
    return
  }
  // Much of what it takes is only for this.
  const [{ openIdle: openAtRest }, { operate }] = await Promise.all([
    import('../handle/open-idle.ts'),
    import('../handle/operations.ts')
  ])
  const handle = openAtRest(folder, options)
  try {
    await handle.ready()
    yield* operate(handle, name, { ...params }, signal) as AsyncIterable<RecordOf<N>>
  } finally {
    await handle.close()
  }
}
