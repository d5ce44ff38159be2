import type { LogNotes, State, StateBatch } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import { everything, type Part, partOf, sameSelection } from '../tree/select.ts'
import { isEarlier, sameVersion, type Version } from '../tree/tree.ts'

/** Parts remembered. Files that an older part brought, that nobody recorded and that no later part has stay as the user's own. */
const partsMax = 8

/** Stands for a first version that was begun: the folder may hold anything that the log ever said. */
const beginning: Version = { fork: 0, length: 0 }

type Names = { readonly [N in keyof LogNotes]: N | `${N}:${string}` }

interface Noted {
  readonly complete: Version | undefined
  readonly since: Version | undefined
  readonly seen: Version | undefined
  readonly parts: readonly Part[]
}

/** How far a mirror has come in one log, kept in the folder's state. */
export class Checkpoint {
  readonly #state: State
  readonly #names: Names
  #applied: Version | undefined
  #complete: Version | undefined
  /** The last complete version; `beginning` once a first one, an earlier one or another part was begun. */
  #since: Version | undefined
  /** The parts of the tree that may have been written to the folder since then, the present one last. */
  #parts: readonly Part[]
  /** The latest version that a pass was ever begun for. */
  #seen: Version | undefined

  private constructor(state: State, names: Names, { complete, since, seen, parts }: Noted) {
    this.#state = state
    this.#names = names
    this.#applied = complete
    this.#complete = complete
    this.#since = since
    this.#seen = seen
    this.#parts = parts
  }

  /**
   * Reads the checkpoint of a log.
   *
   * @param key of the log, where it is not the folder's own: each further log has notes of its own
   */
  static async of(state: State, key?: string): Promise<Checkpoint> {
    const names = namesOf(key)
    const complete = await state.note(names.applied)
    const since = await state.note(names.since)
    const seen = (await state.note(names.seen)) ?? complete
    const parts = ((await state.note(names.parts)) ?? [everything]).map(partOf)
    return new Checkpoint(state, names, { complete, since, seen, parts })
  }

  /** The version that was applied last, except for pending paths. */
  get applied(): Version | undefined {
    return this.#applied
  }

  /** The version that the baseline stands for to the last path, where there is one. */
  get complete(): Version | undefined {
    return this.#complete
  }

  get parts(): readonly Part[] {
    return this.#parts
  }

  /** The version after which the folder may hold statements of the log that nobody recorded. */
  get unrecordedSince(): Version | undefined {
    return this.#applied ?? this.#since
  }

  /** Whether the log was ever written to the folder. */
  get hasBegun(): boolean {
    return this.#since !== undefined
  }

  /** Makes `part` the one that the mirror holds. A checkpoint of another part can't seed an incremental pass. */
  async selectPart(part: Part): Promise<void> {
    const last = this.#parts.at(-1)
    if (last !== undefined && sameSelection(last.selection, part.selection)) return
    this.#parts = [...(this.hasBegun ? this.#parts : []), part].slice(-partsMax)
    await this.#beginAnew()
  }

  /** Forgets which version the folder holds; the baseline still says so path by path. */
  async #beginAnew(): Promise<void> {
    this.#complete = undefined
    if (this.hasBegun) this.#since = beginning
    const since = this.#since
    const parts = this.#parts.map(({ selection }) => selection)
    await this.#state.commit((batch) => {
      batch.forget(this.#names.applied)
      if (since !== undefined) batch.note(this.#names.since, since)
      batch.note(this.#names.parts, parts)
    })
  }

  /**
   * The latest version that may have been written to the folder, where `version` is being applied.
   *
   * @param known the latest version known of the log: a log that was fetched anew may lack some that were seen
   */
  latestWritten(version: Version, known: Version | undefined): Version {
    const seen = this.#seen
    if (seen?.fork !== version.fork || known?.fork !== version.fork || !isEarlier(version, seen)) return version
    return isEarlier(known, seen) ? known : seen
  }

  /**
   * Takes over a new fork. Every run of the writer begins one: as far as the fork holds what was there before, it is the
   * same history.
   *
   * @param carried gives a version of an earlier fork as one of the present fork where it can be
   */
  async carry(carried: (version: Version) => Version): Promise<void> {
    const carry = (version: Version | undefined) => version && carried(version)
    const [applied, since] = [this.#applied, this.#since]
    this.#applied = carry(applied)
    this.#complete = carry(this.#complete)
    this.#since = carry(since)
    if (applied === this.#applied && since === this.#since) return
    const noted = { complete: this.#complete, since: this.#since }
    await this.#state.commit((batch) => {
      if (noted.complete !== undefined) batch.note(this.#names.applied, noted.complete)
      if (noted.since !== undefined) batch.note(this.#names.since, noted.since)
    })
  }

  /**
   * A log never goes back: not within a fork, nor to an earlier one. Where it seems to, this store or the peers' were
   * restored from a backup, and the mirror waits for the newer version.
   *
   * @returns the error to report, where `version` is earlier than one that was here
   */
  rollback(version: Version): SyncError | undefined {
    const seen = this.#seen
    if (seen === undefined || !isEarlier(version, seen)) return undefined
    const name = ({ fork, length }: Version) => `version ${length} (fork ${fork})`
    return new SyncError(
      'ROLLED_BACK',
      `The latest version that peers have is ${name(version)}, and this mirror has had ${name(seen)}. ` +
        'It takes nothing back, and goes on when a peer has a later version'
    )
  }

  /** Notes that a pass for this version begins. */
  async beginVersion(version: Version): Promise<void> {
    if (this.#applied !== undefined && isEarlier(version, this.#applied)) await this.#beginAnew()
    if (this.#seen !== undefined && !isEarlier(this.#seen, version)) return
    await this.#state.commit((batch) => batch.note(this.#names.seen, version))
    this.#seen = version
  }

  /** Notes that the folder is about to be written to. */
  async beginWriting(): Promise<void> {
    if (this.hasBegun) return
    this.#since = beginning
    await this.#state.commit((batch) => batch.note(this.#names.since, beginning))
  }

  /**
   * The baseline is about to change, and stands for no single version from then on.
   *
   * @returns the change to the state that says so; it has to be written with the baseline's
   */
  invalidate(): (batch: StateBatch) => void {
    this.#complete = undefined
    return (batch) => batch.forget(this.#names.applied)
  }

  /**
   * Notes that a version was applied.
   *
   * @param complete whether to the last path: nothing is pending, and nothing was wrong
   * @returns whether it is another version than before
   */
  async apply(version: Version, { complete }: { readonly complete: boolean }): Promise<boolean> {
    const isNew = !sameVersion(this.#applied, version)
    this.#applied = version
    if (!complete) return isNew
    this.#complete = version
    this.#since = version
    const isOnePart = this.#parts.length <= 1
    this.#parts = this.#parts.slice(-1)
    const parts = this.#parts.map(({ selection }) => selection)
    await this.#state.commit((batch) => {
      batch.note(this.#names.applied, version)
      batch.note(this.#names.since, version)
      if (!isOnePart) batch.note(this.#names.parts, parts)
    })
    return isNew
  }
}

function namesOf(key: string | undefined): Names {
  if (key === undefined) return { applied: 'applied', since: 'since', seen: 'seen', parts: 'parts' }
  return { applied: `applied:${key}`, since: `since:${key}`, seen: `seen:${key}`, parts: `parts:${key}` }
}
