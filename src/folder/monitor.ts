import { BoundedMap } from '../bounded-map.ts'
import { type ErrorCode, messageOf, SyncError, systemCode } from '../errors.ts'
import type { Problem, Version } from '../tree/tree.ts'

/** What happens in a folder, as it happens. FORMAT: the fields of each type only ever grow. */
export type SyncEvent =
  /** The folder is open; `key` is what a reader needs. */
  | { readonly type: 'ready'; readonly role: 'writer' | 'reader'; readonly key: string; readonly folder: string }
  /** How far a piece of work has come. Totals may still grow; `bytes` count content. */
  | {
      readonly type: 'progress'
      readonly phase: 'scan' | 'publish' | 'fetch'
      readonly files: number
      readonly filesTotal: number
      readonly bytes: number
      readonly bytesTotal: number
    }
  /** A version was made. `files` and `bytes` count the whole tree, `stored` what it added to the log. */
  | {
      readonly type: 'published'
      readonly version: number
      readonly fork: number
      readonly files: number
      readonly bytes: number
      readonly puts: number
      readonly removals: number
      readonly stored: number
      /** More is to come: the writer still looks through what it found when it started. */
      readonly partial: boolean
    }
  /** The whole folder is published as it is. */
  | { readonly type: 'up-to-date'; readonly version: number; readonly fork: number }
  /**
   * A peer came, went, moved to another connection, or has sent or received something. `peers` is how many
   * are connected now; the rates are bytes per second of the last seconds, told with `traffic` alone.
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
  /** A path that was changed in a mirror only; it stays as it is until the log changes it. */
  | { readonly type: 'diverged'; readonly path: string; readonly kind: 'changed' | 'deleted' }
  /** A local change that the log took the path of; its bytes are kept under another name. */
  | { readonly type: 'conflict'; readonly path: string; readonly keptAs: string }
  /** Something went wrong with one path; the others go on. */
  | ({ readonly type: 'problem' } & Problem)
  /** The folder was told to rest, or to go on. */
  | { readonly type: 'paused'; readonly paused: boolean }
  /** Something that a person may want to know or do. */
  | { readonly type: 'notice'; readonly message: string }
  /** The work as a whole can't go on; it goes on by itself when the reason is gone. */
  | { readonly type: 'error'; readonly code: ErrorCode | 'UNEXPECTED'; readonly message: string }

type Listener = (event: SyncEvent) => void

/** Problems remembered; beyond it the oldest are forgotten, having been reported. */
const problemsMax = 10_000

/** Carries what happens to whoever wants to know: the terminal, `--json`, the public API, the tests. */
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
        // The listener's own fault, to be heard of, but not in the middle of our work.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** Reports a problem, once as long as it stays the same. */
  problem(problem: Problem): void {
    const known = this.#problems.get(problem.path)
    if (known?.message === problem.message) return
    this.#problems.renew(problem.path, problem)
    this.emit({ type: 'problem', ...problem })
  }

  /** Forgets the problems of paths that are fine now. */
  solve(isSolved: (problem: Problem) => boolean): void {
    for (const [path, problem] of this.#problems) if (isSolved(problem)) this.#problems.delete(path)
  }

  /** Reports what stops the work as a whole. */
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

  /** The problems that stand. */
  get problems(): readonly Problem[] {
    return [...this.#problems.values()]
  }
}

/** The numbers of a version, as events carry them. */
export function versionFields({ fork, length }: Version): { readonly version: number; readonly fork: number } {
  return { version: length, fork }
}
