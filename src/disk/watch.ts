import { statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { debuglog } from 'node:util'
import { watch as chokidarWatch, type FSWatcher } from 'chokidar'
import { messageOf, systemCode } from '../errors.ts'
import type { IgnoreRules } from '../tree/ignore.ts'
import { parseTreePath, stateDirectoryName, type TreePath } from '../tree/path.ts'
import { OverflowGuess } from './overflow.ts'
import type { Depth } from './scan.ts'

const trace = debuglog('p2psync:watch')

export interface WatchOptions {
  readonly rules: IgnoreRules
  /** A path may have changed. */
  readonly onDirty: (path: TreePath, depth: Depth) => void
  /** Some notifications were probably lost, of new directories too: neither what was told is all, nor what is watched. */
  readonly onLost: () => void
  /** Notifications don't reach us, at least not all: polling has to do. Called once. */
  readonly onFailure: (message: string) => void
}

/** Notifications of a folder's changes. */
export interface Watch {
  /** Resolves when every directory of the folder is watched. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

/** A new directory is told before its watch stands: what comes in between is found by another look, so much later. */
const echoMs = 1000

/** Tells one directory from another that stands at the same path; `''` when there is none. */
export function rootIdentity(root: string): string {
  const stats = statSync(root, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
}

/**
 * Watches directories only: one watch each rather than one per file, and the raw events name the
 * file. An event says no more than that something happened at a path.
 */
export function watchFolder(root: string, options: WatchOptions): Watch {
  const toPath = (absolute: string) => parseTreePath(relative(root, absolute).split(sep).join('/'))
  const watcher = chokidarWatch(root, {
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    ignored: (absolute, stats) => {
      if (absolute === root) return false
      if (stats !== undefined && !stats.isDirectory()) return true
      const path = toPath(absolute)
      if (path === undefined) return absolute.startsWith(join(root, stateDirectoryName))
      return stats !== undefined && options.rules.ignores(path, 'directory')
    }
  })
  const overflow = new OverflowGuess((events) => {
    trace('%d events at once: others may be lost, so all is to be looked at', events)
    options.onLost()
  })
  watcher.on('raw', (_event, name, details) => {
    overflow.count()
    const { watchedPath } = details as { readonly watchedPath?: string }
    if (watchedPath === undefined) return
    const path = toPath(join(watchedPath, typeof name === 'string' ? name : ''))
    if (path !== undefined) options.onDirty(path, 'shallow')
  })
  const echo = new Echo((path) => options.onDirty(path, 'deep'))
  watcher.on('addDir', (absolute) => {
    const path = toPath(absolute)
    if (path === undefined) return
    options.onDirty(path, 'deep')
    echo.add(path)
  })
  const ready = readiness(watcher, options)
  const close = async () => {
    echo.end()
    overflow.end()
    await watcher.close()
  }
  return { ready, close }
}

/** Says paths again, all of a burst together, some time later. */
class Echo {
  readonly #say: (path: TreePath) => void
  readonly #paths = new Set<TreePath>()
  #timer: NodeJS.Timeout | undefined

  constructor(say: (path: TreePath) => void) {
    this.#say = say
  }

  add(path: TreePath): void {
    this.#paths.add(path)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      for (const each of this.#paths) this.#say(each)
      this.#paths.clear()
    }, echoMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

function readiness(watcher: FSWatcher, { onFailure }: WatchOptions): Promise<void> {
  let failed = false
  return new Promise<void>((resolve) => {
    watcher.once('ready', resolve)
    watcher.on('error', (error) => {
      resolve()
      // What goes while it is looked at, or can't be listed, is for the scan to judge.
      if (failed || !isExhausted(error)) return
      failed = true
      onFailure(failureMessage(error))
    })
  })
}

function isExhausted(error: unknown): boolean {
  return ['ENOSPC', 'EMFILE', 'ENFILE', 'ENOSYS', 'ENOTSUP'].includes(systemCode(error) ?? '')
}

function failureMessage(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOSPC':
      return (
        'The limit of watched directories is reached, so changes are found by polling. ' +
        'To raise it: sysctl fs.inotify.max_user_watches=1048576'
      )
    case 'EMFILE':
      return (
        'The limit of watchers or open files is reached, so changes are found by polling. ' +
        'To raise it: sysctl fs.inotify.max_user_instances=1024, and ulimit -n'
      )
    default:
      return `Notifications don't work here (${messageOf(error)}), so changes are found by polling`
  }
}
