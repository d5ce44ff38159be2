import type { KnownFolder } from '../folder/known-folder.ts'
import type { OpenIdleOptions } from '../handle/open-idle.ts'
import type { FolderName, ParamsOf, RecordOf } from '../handle/operations.ts'

/**
 * Runs an operation on a folder: in the process that runs the folder, or else here, in a handle opened for it.
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
  const { ControlClient } = await import('./client.ts')
  const client = await ControlClient.find(folder.home, folder.id)
  if (client !== undefined) {
    yield* client.call(name, params, signal)
    return
  }
  const [{ openIdle }, { operate }] = await Promise.all([
    import('../handle/open-idle.ts'),
    import('../handle/operations.ts')
  ])
  const handle = openIdle(folder, options)
  try {
    await handle.ready()
    yield* operate(handle, name, { ...params }, signal) as AsyncIterable<RecordOf<N>>
  } finally {
    await handle.close()
  }
}
