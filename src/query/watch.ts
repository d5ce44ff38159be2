import { concerns } from '../log/bee/history.ts'
import { type ChangeReport, reportChanges } from '../tree/change.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Change, Version } from '../tree/tree.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'
import {
  type ChangeRecord,
  changeRecord,
  type EntryRecord,
  fieldsOf,
  type VersionRecord,
  versionRecord
} from './records.ts'

export interface WatchParams {
  /** A directory, or one path; the folder itself when left out. */
  readonly path?: string
  /** Begins with the changes after this version, instead of a list of all entries. */
  readonly since?: string
}

/** Ends the list of entries: changes follow. */
export interface ListedRecord {
  readonly type: 'listed'
  readonly version: number
  readonly entries: number
}

/** The log came back with another past: changes follow that lead from what was listed to what it holds now. */
export interface RewoundRecord {
  readonly type: 'rewound'
  readonly version: number
}

export type WatchRecord = VersionRecord | EntryRecord | ListedRecord | RewoundRecord | ChangeRecord

/** A waiting watch looks at its signal this often, in case an abort doesn't wake it. */
const tickMs = 60_000

/**
 * Yields all entries, then each change as it is made, once and in order, until the signal is aborted. Each version has a
 * record of its own, also when several come together; its changes follow it.
 *
 * @throws {SyncError} NO_SUCH_VERSION, USAGE, DAMAGED
 */
export async function* watch(
  log: LogSource,
  { path: text, since }: WatchParams,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  // A watch waits for peers that are away, however long that takes.
  const source = { ...log, view: log.view.patient() }
  const path = pathOf(text)
  const news = new News(source)
  try {
    const start = since === undefined ? await first(source, signal, news) : await versionNamed(source, since, signal)
    const tree = new WatchedTree(path)
    for await (const [at, entry] of source.view.list(start, '', { recursive: true, onProblem: () => {}, signal })) {
      signal.throwIfAborted()
      tree.put(at, entry)
    }
    if (since === undefined) yield* listing(source, tree, start, signal)
    let shown = start
    for (;;) {
      const known = await source.view.finished(signal)
      // The log may have a new fork by now.
      const latest = known && source.carried(known)
      shown = source.carried(shown)
      if (latest?.fork === shown.fork && latest.length > shown.length) {
        yield* changes(source, tree, shown, latest, signal)
        shown = latest
      } else if (latest !== undefined && latest.fork > shown.fork) {
        yield* rewound(source, tree, latest, signal)
        shown = latest
      } else await news.next(signal)
    }
  } finally {
    news.close()
  }
}

/** Waits for the first version. */
async function first(source: LogSource, signal: AbortSignal, news: News): Promise<Version> {
  await source.settled(signal)
  for (;;) {
    const version = await source.view.finished(signal)
    if (version !== undefined) return version
    await news.next(signal)
  }
}

async function* listing(
  source: LogSource,
  tree: WatchedTree,
  version: Version,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  yield versionRecord(version, await source.view.head(version, signal))
  let entries = 0
  for (const [path, entry] of tree.wanted()) {
    entries++
    yield { type: 'entry', ...fieldsOf(path, entry) }
  }
  yield { type: 'listed', version: version.length, entries }
}

async function* changes(
  source: LogSource,
  tree: WatchedTree,
  from: Version,
  to: Version,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  const options = { after: from.length, path: '' as const, newestFirst: false, signal }
  for await (const { version, head, changes } of source.view.versions(to, options)) {
    signal.throwIfAborted()
    const reports = tree.change(changes)
    if (reports.length === 0) continue
    yield versionRecord(version, head)
    for (const report of reports) yield changeRecord(version.length, report)
  }
}

/** A writer whose store was restored from a copy has another history: only the tree as it is now counts. */
async function* rewound(
  source: LogSource,
  tree: WatchedTree,
  to: Version,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  const now = new Map<TreePath, Entry>()
  for await (const [at, entry] of source.view.list(to, '', { recursive: true, onProblem: () => {}, signal }))
    now.set(at, entry)
  const gone = [...tree.paths()].filter((path) => !now.has(path))
  const reports = tree.change([...now, ...gone.map((path) => [path, undefined] as const)])
  yield versionRecord(to, await source.view.head(to, signal))
  yield { type: 'rewound', version: to.length }
  for (const report of reports) yield changeRecord(to.length, report)
}

/** The whole tree as the watcher knows it: a move may come from outside the watched path. */
class WatchedTree {
  readonly #path: TreePath | ''
  readonly #entries = new Map<TreePath, Entry>()

  constructor(path: TreePath | '') {
    this.#path = path
  }

  put(path: TreePath, entry: Entry): void {
    this.#entries.set(path, entry)
  }

  paths(): Iterable<TreePath> {
    return this.#entries.keys()
  }

  /** The entries at or beneath the watched path, in the log's order. */
  *wanted(): Generator<readonly [TreePath, Entry]> {
    for (const [path, entry] of this.#entries) if (concerns(path, this.#path)) yield [path, entry]
  }

  /** Applies changes. @returns those that concern the watched path */
  change(changes: readonly (readonly [TreePath, Entry | undefined])[]): readonly ChangeReport[] {
    const real: Change[] = []
    for (const [path, after] of changes) {
      real.push({ path, before: this.#entries.get(path), after })
      if (after === undefined) this.#entries.delete(path)
      else this.#entries.set(path, after)
    }
    return reportChanges(real).filter(
      (change) => concerns(change.path, this.#path) || (change.type === 'moved' && concerns(change.from, this.#path))
    )
  }
}

/** Waits until there may be another version. */
class News {
  #isThere = false
  #wake: () => void = () => {}
  readonly #end: () => void

  constructor(source: LogSource) {
    this.#end = source.onChange(() => {
      this.#isThere = true
      this.#wake()
    })
  }

  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#isThere) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearInterval(timer)
          signal.removeEventListener('abort', end)
          resolve()
        }
        const timer = setInterval(end, tickMs)
        this.#wake = end
        signal.addEventListener('abort', end)
      })
    }
    signal.throwIfAborted()
    this.#isThere = false
  }

  close(): void {
    this.#end()
  }
}
