import { watch } from 'chokidar'
import type { WatchDirectory } from './watch-directory.ts'

/** Watches a directory with chokidar, which knows the peculiarities of notifications on each system. */
export const watchPortably: WatchDirectory = (at, onEvent, onError) => {
  const watcher = watch(at, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    // One watch for the directory itself; its events name the children.
    ignored: (path, stats) => path !== at && stats !== undefined
  })
  watcher.on('raw', (event, name) => onEvent(event, typeof name === 'string' ? name : null))
  watcher.on('error', onError)
  // Changes before this moment went unseen: asks for a scan of the directory.
  watcher.once('ready', () => onEvent('rename', null))
  return { close: () => void watcher.close() }
}
