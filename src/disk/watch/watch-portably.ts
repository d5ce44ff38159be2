import { watch } from 'chokidar'
import type { WatchDirectory } from './watch-directory.ts'

/** Watches a directory by chokidar, which knows what notifications are worth on each system. */
export const watchPortably: WatchDirectory = (at, onEvent, onError) => {
  const watcher = watch(at, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    // One watch for the directory; what lies in it is told of by name.
    ignored: (path, stats) => path !== at && stats !== undefined
  })
  watcher.on('raw', (event, name) => onEvent(event, typeof name === 'string' ? name : null))
  watcher.on('error', onError)
  // What came before is to be looked for.
  watcher.once('ready', () => onEvent('rename', null))
  return { close: () => void watcher.close() }
}
