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
  /** Some notifications were probably lost, of new directories too: neither what was told is all, nor what is watched. */
  readonly onLost: () => void
  /** Notifications don't reach us, at least not all: polling has to do. Called once. */
  readonly onFailure: (message: string) => void
}

const watchNatively: WatchDirectory = (at, onEvent, onError) => fsWatch(at, onEvent).on('error', onError)

// Linux tells all that there is to know, and of a directory that is held by its descriptor too.
const watchHere = process.platform === 'linux' ? watchNatively : (await import('./watch-portably.ts')).watchPortably

/** Tells one directory from another that stands at the same path; `''` when there is none. */
export function rootIdentity(root: string): string {
  const stats = statSync(root, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
}

/**
 * Notifications of a folder's changes: one watch for each directory rather than one for each file. It finds
 * no directory by itself. Whoever lists one gives it here before, so that what comes into it is seen by the
 * one or by the other. An event says no more than that something happened at a path.
 */
export class FolderWatch {
  readonly #options: WatchOptions
  readonly #watchDirectory: WatchDirectory
  readonly #watchers = new Map<TreePath | '', { readonly identity: string; readonly watcher: { close(): void } }>()
  readonly #overflow: OverflowGuess
  #failed = false

  /** @param watchDirectory how; as is best on this system, when left out */
  constructor(options: WatchOptions, watchDirectory = watchHere) {
    this.#options = options
    this.#watchDirectory = watchDirectory
    this.#overflow = new OverflowGuess((events) => {
      trace('%d events at once: others may be lost, so all is to be looked at', events)
      options.onLost()
    })
  }

  /**
   * Watches a directory from now on.
   *
   * @param at a name by which it can be reached now
   * @param identity tells it from any other at its path: the one that is watched already isn't watched anew
   */
  add(path: TreePath | '', at: string, identity: string): void {
    if (this.#failed || this.#watchers.get(path)?.identity === identity) return
    this.forget(path)
    try {
      const onEvent = (event: string, name: string | null) => this.#onEvent(path, event, name)
      const watcher = this.#watchDirectory(at, onEvent, (error) => {
        // A directory that is gone, on some systems; what holds it has told so.
        this.forget(path)
        this.#fail(error)
      })
      this.#watchers.set(path, { identity, watcher })
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    // What goes while it is looked at, or can't be read, is for the scan to judge.
    if (this.#failed || !isExhausted(error)) return
    this.close()
    this.#options.onFailure(failureMessage(error))
  }

  /** A directory is gone, or isn't one any more. */
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
    // What has come or gone may be a directory that was here before, and others have changed meanwhile.
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
