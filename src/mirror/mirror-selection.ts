import { isDeepStrictEqual } from 'node:util'
import {
  changeSelection,
  type FoundVersion,
  readSelection,
  type SelectionRecord
} from '../disk/state/selection-file.ts'
import type { State } from '../disk/state/state.ts'
import { messageOf, SyncError } from '../errors.ts'
import type { LogReader } from '../log/reader.ts'
import { everything, type Part, partOf, sameSelection } from '../tree/select.ts'
import { sameVersion, type Version } from '../tree/tree.ts'
import { describeSelection } from './change-selection.ts'

export interface MirrorSelectionOptions {
  /** Where the file lies. */
  readonly home: string
  readonly state: State
  readonly onNotice: (message: string) => void
}

const lookMs = 1000

/** What a mirror is to hold: which part of the folder, and of which version. Both may change while it is at work. */
export class MirrorSelection {
  readonly #options: MirrorSelectionOptions
  readonly #timer: NodeJS.Timeout
  #record: SelectionRecord
  #part: Part
  #failure: string | undefined
  /** The version that it is kept at, in the fork in which it was last looked for. */
  #pinned: { readonly record: SelectionRecord; readonly version: Version } | undefined
  /** What the log was found not to have, up to where it was known. */
  #missing: { readonly record: SelectionRecord; readonly latest: Version } | undefined

  /** Called when it has changed. */
  onChange: () => void = () => {}

  private constructor(options: MirrorSelectionOptions, record: SelectionRecord) {
    this.#options = options
    this.#record = record
    this.#part = partOf(record)
    this.#timer = setInterval(() => this.look(), lookMs)
    this.#timer.unref()
  }

  /** @throws {SyncError} FOLDER_FORMAT when the file is damaged and it isn't known what it said */
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
    // The file may have been lost, and it alone.
    const isLost = record === undefined && known !== undefined && !isDeepStrictEqual(known, everything)
    if (isLost) await changeSelection(home, (read) => read() ?? known)
    const aim = new MirrorSelection(options, record ?? known ?? everything)
    await state.commit((batch) => batch.note('selection', aim.#record))
    aim.#tell()
    return aim
  }

  close(): void {
    clearInterval(this.#timer)
    this.onChange = () => {}
  }

  get part(): Part {
    return this.#part
  }

  /** Whether it is kept at a version, rather than following the log. */
  get isPinned(): boolean {
    return this.#record.version !== undefined
  }

  /** Looks whether something else is wanted by now. */
  look(): void {
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
    const isNews = !sameSelection(record, this.#record) || !isDeepStrictEqual(record.version, this.#record.version)
    this.#record = record
    this.#part = partOf(record)
    this.#options.state.commit((batch) => batch.note('selection', record)).catch(() => {}) // For a damaged file alone.
    if (!isNews) return
    this.#tell()
    this.onChange()
  }

  #tell(): void {
    const what = describeSelection(this.#record)
    if (what !== undefined) this.#options.onNotice(`This mirror holds ${what}`)
  }

  /**
   * The version that it is kept at, in the log's present fork.
   *
   * @param latest the latest version known here
   * @returns `undefined` while that can't be told
   * @throws {SyncError} NO_SUCH_VERSION, DAMAGED
   */
  async pinned(reader: LogReader, latest: Version, signal: AbortSignal): Promise<Version | undefined> {
    const record = this.#record
    const known = this.#pinned
    if (known !== undefined && known.record === record && known.version.fork === latest.fork) return known.version
    const missing = this.#missing
    if (missing?.record === record && sameVersion(missing.latest, latest)) return undefined
    try {
      const version = await this.#find(record, reader, latest, signal)
      if (version !== undefined) this.#pinned = { record, version }
      return version
    } catch (error) {
      // It is looked for anew when the log has grown.
      if (error instanceof SyncError && error.code === 'NO_SUCH_VERSION') this.#missing = { record, latest }
      throw error
    }
  }

  async #find(
    record: SelectionRecord,
    reader: LogReader,
    latest: Version,
    signal: AbortSignal
  ): Promise<Version | undefined> {
    const version = await this.#lookUp(record, reader, latest, signal)
    if (version === undefined) return undefined
    const { timeMs } = await reader.head(version, signal)
    const found = { length: version.length, timeMs }
    if (record.found === undefined) await this.#keep(record, found)
    else if (!isDeepStrictEqual(found, record.found)) throw gone(record.found)
    return version
  }

  async #lookUp(
    record: SelectionRecord,
    reader: LogReader,
    latest: Version,
    signal: AbortSignal
  ): Promise<Version | undefined> {
    const { version: asked, found } = record
    if (asked === undefined) return undefined
    const number = found?.length ?? (asked.by === 'number' ? asked.number : undefined)
    if (number === undefined || number > latest.length) {
      // A peer may know of more.
      const newest = reader.isNewest(latest) ? await reader.finished(latest, signal) : undefined
      if (newest === undefined || !sameVersion(latest, reader.version)) return undefined
      return reader.find(number === undefined ? asked : { by: 'number', number }, newest, signal)
    }
    return reader.find({ by: 'number', number }, latest, signal)
  }

  /** Writes down which version it is, unless another is wanted by now. */
  async #keep(record: SelectionRecord, found: FoundVersion): Promise<void> {
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

function gone({ length, timeMs }: FoundVersion): SyncError {
  const when = new Date(timeMs).toISOString()
  return new SyncError('NO_SUCH_VERSION', `Version ${length} of ${when} isn't in the log any more. Select another`)
}
