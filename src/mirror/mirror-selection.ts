import { isDeepStrictEqual } from 'node:util'
import {
  changeSelection,
  type FoundVersion,
  readSelection,
  type SelectionRecord
} from '../disk/state/selection-file.ts'
import type { State } from '../disk/state/state.ts'
import { messageOf, SyncError } from '../errors.ts'
import { everything, type Part, partOf, sameSelection } from '../tree/select.ts'
import { sameVersion, type Version } from '../tree/tree.ts'
import { describeSelection } from './change-selection.ts'
import type { FollowedLog } from './followed-log.ts'

export interface MirrorSelectionOptions {
  /** The state directory, which holds the file. */
  readonly home: string
  readonly state: State
  readonly onNotice: (message: string) => void
}

/** How often to look for a change of the file, in milliseconds. */
const checkMs = 1000

type PinningLog = Pick<FollowedLog, 'version' | 'isNewest' | 'finished' | 'head' | 'find'>

/** The part and the version of a log that a mirror holds. A file says so, which may change while the mirror works. */
export class MirrorSelection {
  readonly #options: MirrorSelectionOptions
  readonly #timer: NodeJS.Timeout
  readonly #listeners = new Set<() => void>()
  #record: SelectionRecord
  #part: Part
  #failure: string | undefined
  /** The pinned version, in the fork in which it was last found. */
  #pinned: { readonly record: SelectionRecord; readonly version: Version } | undefined
  /** A record whose version the log doesn't have up to `latest`. */
  #missing: { readonly record: SelectionRecord; readonly latest: Version } | undefined

  private constructor(options: MirrorSelectionOptions, record: SelectionRecord) {
    this.#options = options
    this.#record = record
    this.#part = partOf(record)
    this.#timer = setInterval(() => this.check(), checkMs)
    this.#timer.unref()
  }

  /** @throws {SyncError} FOLDER_FORMAT when the file is damaged and the state doesn't have its last content either */
  static async open(options: MirrorSelectionOptions): Promise<MirrorSelection> {
    const { home, state, onNotice } = options
    const known = await state.note('selection')
    let record: SelectionRecord | undefined
    try {
      record = readValid(home)
    } catch (error) {
      if (known === undefined) throw new SyncError('FOLDER_FORMAT', messageOf(error), { cause: error })
      onNotice(`${messageOf(error)}. Until then it stays as it was`)
      record = known
    }
    // The file alone may have been lost.
    const isLost = record === undefined && known !== undefined && !isDeepStrictEqual(known, everything)
    if (isLost) await changeSelection(home, (read) => read() ?? known)
    const selection = new MirrorSelection(options, record ?? known ?? everything)
    await state.commit((batch) => batch.note('selection', selection.#record))
    selection.#announce()
    return selection
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  /** Calls `listener` when another part or version is selected. @returns a function that ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get part(): Part {
    return this.#part
  }

  /** Whether the mirror is kept at one version, rather than following the log. */
  get isPinned(): boolean {
    return this.#record.version !== undefined
  }

  /** Reads the file, and takes over what has changed in it. */
  check(): void {
    let record: SelectionRecord
    try {
      record = readValid(this.#options.home) ?? this.#record
      this.#failure = undefined
    } catch (error) {
      const message = `${messageOf(error)}. Until then it stays as it was`
      if (message !== this.#failure) this.#options.onNotice(message)
      this.#failure = message
      return
    }
    if (isDeepStrictEqual(record, this.#record)) return
    const isOther = !sameSelection(record, this.#record) || !isDeepStrictEqual(record.version, this.#record.version)
    this.#record = record
    this.#part = partOf(record)
    this.#options.state.commit((batch) => batch.note('selection', record)).catch(() => {}) // Only needed when the file is damaged.
    if (!isOther) return
    this.#announce()
    for (const listener of this.#listeners) listener()
  }

  #announce(): void {
    const description = describeSelection(this.#record)
    if (description !== undefined) this.#options.onNotice(`This mirror holds ${description}`)
  }

  /**
   * The pinned version, in the log's present fork.
   *
   * @param latest the latest version known here
   * @returns `undefined` while the log doesn't say which one that is
   * @throws {SyncError} NO_SUCH_VERSION, DAMAGED
   */
  async pinned(log: PinningLog, latest: Version, signal: AbortSignal): Promise<Version | undefined> {
    const record = this.#record
    const known = this.#pinned
    if (known !== undefined && known.record === record && known.version.fork === latest.fork) return known.version
    const missing = this.#missing
    if (missing?.record === record && sameVersion(missing.latest, latest)) return undefined
    try {
      const version = await this.#find(record, log, latest, signal)
      if (version !== undefined) this.#pinned = { record, version }
      return version
    } catch (error) {
      // The next search waits until the log has grown.
      if (error instanceof SyncError && error.code === 'NO_SUCH_VERSION') this.#missing = { record, latest }
      throw error
    }
  }

  async #find(
    record: SelectionRecord,
    log: PinningLog,
    latest: Version,
    signal: AbortSignal
  ): Promise<Version | undefined> {
    const version = await this.#lookUp(record, log, latest, signal)
    if (version === undefined) return undefined
    const { timeMs } = await log.head(version, signal)
    const found = { length: version.length, timeMs }
    if (record.found === undefined) await this.#store(record, found)
    else if (!isDeepStrictEqual(found, record.found)) throw lostVersion(record.found)
    return version
  }

  async #lookUp(
    record: SelectionRecord,
    log: PinningLog,
    latest: Version,
    signal: AbortSignal
  ): Promise<Version | undefined> {
    const { version: asked, found } = record
    if (asked === undefined) return undefined
    const number = found?.length ?? (asked.by === 'number' ? asked.number : undefined)
    if (number === undefined || number > latest.length) {
      // A peer may know of more.
      const newest = log.isNewest(latest) ? await log.finished(latest, signal) : undefined
      if (newest === undefined || !sameVersion(latest, log.version)) return undefined
      return log.find(number === undefined ? asked : { by: 'number', number }, newest, signal)
    }
    return log.find({ by: 'number', number }, latest, signal)
  }

  /** Stores which version was found, unless the file selects another by now. */
  async #store(record: SelectionRecord, found: FoundVersion): Promise<void> {
    await changeSelection(this.#options.home, (read) => {
      const now = read()
      return isDeepStrictEqual(now, record) || now === undefined ? { ...record, found } : undefined
    })
    this.#options.onNotice(`Kept at version ${found.length} of ${new Date(found.timeMs).toISOString()}`)
  }
}

/** @throws {RangeError} */
function readValid(home: string): SelectionRecord | undefined {
  const record = readSelection(home)
  try {
    if (record !== undefined) partOf(record)
  } catch (error) {
    throw new RangeError(`The selection in ${home} is of no use: ${messageOf(error)}`)
  }
  return record
}

function lostVersion({ length, timeMs }: FoundVersion): SyncError {
  const when = new Date(timeMs).toISOString()
  return new SyncError('NO_SUCH_VERSION', `Version ${length} of ${when} isn't in the log any more. Select another`)
}
