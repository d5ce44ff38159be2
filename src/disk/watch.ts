import { type FSWatcher, lstatSync, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { messageOf, systemCode } from '../errors.ts'
import type { IgnoreRules } from '../tree/ignore.ts'
import { parentPath, parseTreePath, type TreePath } from '../tree/path.ts'
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

/** After so long a walk gives the event loop its turn, in milliseconds. */
const turnMs = 5

/** Tells one directory from another that stands at the same path; `''` when there is none. */
export function rootIdentity(root: string): string {
  const stats = statSync(root, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
}

/**
 * Watches directories only: one watch each rather than one per file, and the events name the file. An
 * event says no more than that something happened at a path.
 */
export function watchFolder(root: string, options: WatchOptions): Watch {
  const watches = new Watches(root, options)
  return { ready: watches.open(), close: async () => watches.close() }
}

interface WatchedDirectory {
  readonly watcher: FSWatcher
  /** Which directory it is: another may come to stand at its path. */
  readonly identity: string
  readonly children: Set<TreePath>
}

class Watches {
  readonly #root: string
  readonly #options: WatchOptions
  readonly #directories = new Map<TreePath | '', WatchedDirectory>()
  readonly #overflow: OverflowGuess
  #ended = false

  constructor(root: string, options: WatchOptions) {
    this.#root = root
    this.#options = options
    this.#overflow = new OverflowGuess((events) => {
      trace('%d events at once: others may be lost, so all is to be looked at', events)
      options.onLost()
    })
  }

  open(): Promise<void> {
    return this.#walk('')
  }

  close(): void {
    this.#ended = true
    this.#overflow.end()
    for (const { watcher } of this.#directories.values()) watcher.close()
    this.#directories.clear()
  }

  /** Watches a directory, and all beneath it that aren't watched yet. */
  async #walk(top: TreePath | ''): Promise<void> {
    const todo = [top]
    let startMs = performance.now()
    for (let path = todo.pop(); path !== undefined && !this.#ended; path = todo.pop()) {
      // Watched before it is listed, so that nothing comes unheard in between.
      if (this.#watch(path)) todo.push(...this.#directoriesIn(path))
      if (performance.now() - startMs < turnMs) continue
      await nextTurn()
      startMs = performance.now()
    }
  }

  #directoriesIn(path: TreePath | ''): TreePath[] {
    const found: TreePath[] = []
    try {
      for (const child of readdirSync(join(this.#root, path), { withFileTypes: true })) {
        if (!child.isDirectory()) continue
        const at = this.#pathOf(path, child.name)
        if (at !== undefined && !this.#options.rules.ignores(at, 'directory')) found.push(at)
      }
    } catch {
      // What goes while it is looked at, or can't be listed, is for the scan to judge.
    }
    return found
  }

  /** Watches one directory. @returns whether it is watched now and wasn't before */
  #watch(path: TreePath | ''): boolean {
    const identity = this.#identity(path)
    const known = this.#directories.get(path)
    if (known?.identity === identity) return false
    if (known !== undefined) this.#unwatch(path as TreePath)
    if (identity === undefined) return false
    try {
      const watcher = watch(join(this.#root, path), (event, name) => this.#hear(path, event, name))
      watcher.on('error', (error) => this.#fail(error))
      this.#directories.set(path, { watcher, identity, children: new Set() })
      if (path !== '') this.#directories.get(parentPath(path))?.children.add(path)
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #identity(path: TreePath | ''): string | undefined {
    const stats = lstatSync(join(this.#root, path), { throwIfNoEntry: false })
    return stats?.isDirectory() ? `${stats.dev}:${stats.ino}:${stats.birthtimeMs}` : undefined
  }

  #hear(directory: TreePath | '', event: string, name: string | null): void {
    this.#overflow.count()
    const path = name === null ? directory : this.#pathOf(directory, name)
    if (this.#ended || path === undefined || path === '') return
    this.#options.onDirty(path, 'shallow')
    if (event === 'rename') this.#follow(path)
  }

  /** Something came to stand at a path, or went from it: directories are watched from now on, or not any more. */
  #follow(path: TreePath): void {
    let identity: string | undefined
    try {
      identity = this.#identity(path)
    } catch {
      // It can't be looked at: for the scan to judge.
    }
    if (identity === this.#directories.get(path)?.identity) return
    this.#unwatch(path)
    if (identity === undefined || this.#options.rules.ignores(path, 'directory')) return
    this.#options.onDirty(path, 'deep')
    // Once more when all of it is watched: what came before that in a directory was told by nobody.
    void this.#walk(path).then(() => this.#ended || this.#options.onDirty(path, 'deep'))
  }

  #unwatch(path: TreePath): void {
    const watched = this.#directories.get(path)
    if (watched === undefined) return
    watched.watcher.close()
    this.#directories.delete(path)
    this.#directories.get(parentPath(path))?.children.delete(path)
    for (const child of [...watched.children]) this.#unwatch(child)
  }

  /** The path of a name in a directory, where it is one that can be synced; our own state is none. */
  #pathOf(directory: TreePath | '', name: string): TreePath | undefined {
    return parseTreePath(directory === '' ? name : `${directory}/${name}`)
  }

  #fail(error: unknown): void {
    // What goes while it is looked at, or can't be listed, is for the scan to judge.
    if (this.#ended || !isExhausted(error)) return
    this.close()
    this.#options.onFailure(failureMessage(error))
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
