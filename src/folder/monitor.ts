import { BoundedMap } from '../bounded-map.ts'
import { type ErrorCode, messageOf, SyncError, systemCode } from '../errors.ts'
import type { Problem, Version } from '../tree/tree.ts'

/** An event of a folder. FORMAT: the fields of each type only ever grow. */
export type SyncEvent =
  /** The folder is open; `key` is what a reader needs. */
  | { readonly type: 'ready'; readonly role: 'writer' | 'reader'; readonly key: string; readonly folder: string }
  /** The progress of a scan, of publishing or of fetching. Totals may still grow; `bytes` count content. */
  | {
      readonly type: 'progress'
      readonly phase: 'scan' | 'publish' | 'fetch'
      readonly files: number
      readonly filesTotal: number
      readonly bytes: number
      readonly bytesTotal: number
    }
  /** A version was published. `files` and `bytes` count the whole tree, `stored` the bytes it added to the log. */
  | {
      readonly type: 'published'
      readonly version: number
      readonly fork: number
      readonly files: number
      readonly bytes: number
      readonly puts: number
      readonly removals: number
      readonly stored: number
      /** More of the first scan is to come. */
      readonly partial: boolean
    }
  /** The whole folder is published as it is. */
  | { readonly type: 'up-to-date'; readonly version: number; readonly fork: number }
  /**
   * A peer connected, disconnected, moved to another connection, or had traffic. `peers` counts the connected peers; the
   * rates, in bytes per second over the last seconds, come with `traffic` alone.
   */
  | {
      readonly type: 'peer'
      readonly state: 'connected' | 'moved' | 'traffic' | 'disconnected'
      /** Its public key in this folder, in hexadecimal. */
      readonly peer: string
      /** The public key of its machine, as `id` prints it there. */
      readonly machine: string
      readonly address: string
      readonly transport: 'tcp' | 'udx'
      readonly distance: 'machine' | 'lan' | 'wan'
      /** The least round trip, in milliseconds. */
      readonly rttMs: number
      readonly receiveRate: number
      readonly sendRate: number
      readonly peers: number
    }
  /** The folder has reached a version, but for the paths with problems. */
  | {
      readonly type: 'applied'
      readonly version: number
      readonly fork: number
      readonly files: number
      readonly bytes: number
      /** Paths written, moved or removed for it. */
      readonly changes: number
      readonly problems: number
    }
  /** The folder has reached the newest version that any connected peer has. */
  | { readonly type: 'in-sync'; readonly version: number; readonly fork: number }
  /** A path that was changed in a mirror alone; it stays as it is until the log changes it. */
  | { readonly type: 'diverged'; readonly path: string; readonly kind: 'changed' | 'deleted' }
  /** The log changed a path that was changed here, too; the local bytes are kept under another name. */
  | { readonly type: 'conflict'; readonly path: string; readonly keptAs: string }
  /** A single path failed; the others go on. */
  | ({ readonly type: 'problem' } & Problem)
  /** The folder was paused or resumed. */
  | { readonly type: 'paused'; readonly paused: boolean }
  /** For a person to read, or to act on. */
  | { readonly type: 'notice'; readonly message: string }
  /** The whole folder can't go on; it does so by itself when the reason is gone. */
  | { readonly type: 'error'; readonly code: ErrorCode | 'UNEXPECTED'; readonly message: string }

type Listener = (event: SyncEvent) => void

/** Problems that are remembered; the oldest are forgotten, having been reported. */
const problemsMax = 10_000

/** Carries a folder's events to the terminal, to `--json`, to users of the public API and to tests. */
export class Monitor {
  readonly #listeners = new Set<Listener>()
  readonly #problems = new BoundedMap<string, Problem>(problemsMax)

  /** @returns a function that ends the subscription */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: SyncEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // A listener's own fault must be heard of, but not interrupt the work.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** Reports a problem, unless the path's last one was the same. */
  problem(problem: Problem): void {
    const known = this.#problems.get(problem.path)
    if (known?.message === problem.message) return
    this.#problems.renew(problem.path, problem)
    this.emit({ type: 'problem', ...problem })
  }

  /** Forgets problems that are solved. */
  solve(isSolved: (problem: Problem) => boolean): void {
    for (const [path, problem] of this.#problems) if (isSolved(problem)) this.#problems.delete(path)
  }

  /** Reports an error that stops the whole folder. */
  error(error: unknown): void {
    if (error instanceof SyncError) this.emit({ type: 'error', code: error.code, message: error.message })
    else if (systemCode(error) !== undefined) {
      const path = (error as NodeJS.ErrnoException).path
      const where = path === undefined ? '' : ` on ${path}`
      const message = `The system refuses to go on: ${messageOf(error)}${where}. It is tried again`
      this.emit({ type: 'error', code: 'DISK_FAILED', message })
    } else {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.emit({ type: 'error', code: 'UNEXPECTED', message })
    }
  }

  /** The problems that aren't solved yet. */
  get problems(): readonly Problem[] {
    return [...this.#problems.values()]
  }
}

/** The numbers of a version, as events carry them. */
export function versionFields({ fork, length }: Version): { readonly version: number; readonly fork: number } {
  return { version: length, fork }
}
