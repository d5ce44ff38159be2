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
  /** Tells all that changed after this version, instead of what there is. */
  readonly since?: string
}

/** All that there is was told: what follows changes. */
export interface ListedRecord {
  readonly type: 'listed'
  readonly version: number
  readonly entries: number
}

/** The log came back with another past: all is told anew that differs. */
export interface RewoundRecord {
  readonly type: 'rewound'
  readonly version: number
}

export type WatchRecord = VersionRecord | EntryRecord | ListedRecord | RewoundRecord | ChangeRecord

/** Where an abortion of a signal is no news, how often it is looked all the same, in milliseconds. */
const tickMs = 60_000

/**
 * What there is, then each change as it is made, once and in order, for as long as it is asked for. Versions that come
 * together are told one by one. A version's record comes before its changes.
 *
 * @throws {SyncError} NO_SUCH_VERSION, USAGE, DAMAGED
 */
export async function* watch(
  given: LogSource,
  { path: text, since }: WatchParams,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  // Whoever watches waits until the source is back.
  const source = { ...given, view: given.view.patient() }
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
    let told = start
    for (;;) {
      const known = await source.view.finished(signal)
      // A fork may have come meanwhile.
      const latest = known && source.carried(known)
      told = source.carried(told)
      if (latest?.fork === told.fork && latest.length > told.length) {
        yield* changes(source, tree, told, latest, signal)
        told = latest
      } else if (latest !== undefined && latest.fork > told.fork) {
        yield* rewound(source, tree, latest, signal)
        told = latest
      } else await news.next(signal)
    }
  } finally {
    news.close()
  }
}

/** The first version, which may be yet to come. */
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
    const told = tree.change(changes)
    if (told.length === 0) continue
    yield versionRecord(version, head)
    for (const change of told) yield changeRecord(version.length, change)
  }
}

/** A writer whose store was restored from a copy has another history: what counts is what there is now. */
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
  const told = tree.change([...now, ...gone.map((path) => [path, undefined] as const)])
  yield versionRecord(to, await source.view.head(to, signal))
  yield { type: 'rewound', version: to.length }
  for (const change of told) yield changeRecord(to.length, change)
}

/** What a watcher was told of, and what else it takes to tell a move. */
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

  /** What is watched, in the log's order. */
  *wanted(): Generator<readonly [TreePath, Entry]> {
    for (const [path, entry] of this.#entries) if (concerns(path, this.#path)) yield [path, entry]
  }

  /** Follows changes. @returns those that concern what is watched */
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

/** Waits for there to be another version. */
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
