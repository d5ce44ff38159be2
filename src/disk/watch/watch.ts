import { watch as fsWatch, statSync } from 'node:fs'
import { debuglog } from 'node:util'
import { messageOf, systemCode } from '../../errors.ts'
import { parseTreePath, type TreePath } from '../../tree/path.ts'
import type { Depth } from '../read/scan.ts'
import { OverflowGuess } from './overflow.ts'
import type { WatchDirectory } from './watch-directory.ts'

const trace = debuglog('p2psync:watch')

export interface WatchOptions {
  /** A path may have changed. */
  readonly onDirty: (path: TreePath, depth: Depth) => void
  /** Some notifications were probably lost, also of new directories, which therefore aren't watched. */
  readonly onLost: () => void
  /** Notifications don't work, or not all of them: the caller must poll. Called once. */
  readonly onFailure: (message: string) => void
}

const watchNatively: WatchDirectory = (at, onEvent, onError) => fsWatch(at, onEvent).on('error', onError)

// Linux's own notifications are complete, and they work for a directory addressed by its descriptor too.
const watchHere = process.platform === 'linux' ? watchNatively : (await import('./watch-portably.ts')).watchPortably

/** Distinguishes a directory from another one at the same path; `''` if there is none. */
export function rootIdentity(root: string): string {
  const stats = statSync(root, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
}

/**
 * Notifications of a folder's changes, with one watch per directory rather than per file. It finds no directory by
 * itself: a scan adds each directory before listing it, so that either the scan or the watch sees a new child. An event
 * says only that something happened at a path.
 */
export class FolderWatch {
  readonly #options: WatchOptions
  readonly #watchDirectory: WatchDirectory
  readonly #watchers = new Map<TreePath | '', { readonly identity: string; readonly watcher: { close(): void } }>()
  readonly #overflow: OverflowGuess
  #failed = false

  /** @param watchDirectory the way to watch one directory; defaults to the best one of this system */
  constructor(options: WatchOptions, watchDirectory = watchHere) {
    this.#options = options
    this.#watchDirectory = watchDirectory
    this.#overflow = new OverflowGuess((events) => {
      trace('%d events in one turn: others may be lost, so the whole folder needs a scan', events)
      options.onLost()
    })
  }

  /**
   * Starts to watch a directory.
   *
   * @param at a name that reaches it now
   * @param identity distinguishes it from others at its path: a directory that is watched already keeps its watch
   */
  add(path: TreePath | '', at: string, identity: string): void {
    if (this.#failed || this.#watchers.get(path)?.identity === identity) return
    this.forget(path)
    try {
      const onEvent = (event: string, name: string | null) => this.#onEvent(path, event, name)
      const watcher = this.#watchDirectory(at, onEvent, (error) => {
        // Some systems report a removed directory this way; the watch of its parent has reported it too.
        this.forget(path)
        this.#fail(error)
      })
      this.#watchers.set(path, { identity, watcher })
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    // The scan deals with directories that disappear or can't be read.
    if (this.#failed || !isExhausted(error)) return
    this.close()
    this.#options.onFailure(failureMessage(error))
  }

  /** Stops watching a directory that was removed or replaced. */
  forget(path: TreePath | ''): void {
    this.#watchers.get(path)?.watcher.close()
    this.#watchers.delete(path)
  }

  close(): void {
    this.#failed = true
    this.#overflow.end()
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #onEvent(directory: TreePath | '', event: string, name: string | null): void {
    this.#overflow.count()
    if (directory === '' && name === null) this.#options.onLost()
    const path = parseTreePath(name === null ? directory : directory === '' ? name : `${directory}/${name}`)
    // A rename may concern a directory that was here before, with children that changed meanwhile.
    if (path !== undefined) this.#options.onDirty(path, event === 'rename' ? 'deep' : 'shallow')
  }
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
