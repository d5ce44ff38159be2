import type { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import { everything, type Part, partOf, sameSelection } from '../tree/select.ts'
import { isEarlier, sameVersion, type Version } from '../tree/tree.ts'

/** Parts remembered. What was written by an earlier one, was never recorded and isn't wanted any more stays as the user's own. */
const partsMax = 8

/** Where a mirror stands in its log, as far as it remembers. */
export class Checkpoint {
  /** The version that was applied last, but for the paths that are owed. */
  applied: Version | undefined
  /** The version that the baseline stands for to the last path; it is noted. */
  #whole: Version | undefined
  /** The last version for which it did, once; length 0 when a first one, an earlier one or another part was begun. */
  #since: Version | undefined
  /** The parts of the tree that the folder may have been written by since then, the present one last. */
  #parts: readonly Part[] = []
  /** The latest version that was ever followed. */
  #seen: Version | undefined
  readonly #state: State

  constructor(state: State) {
    this.#state = state
  }

  /** Reads what was noted. */
  async load(): Promise<void> {
    this.#whole = await this.#state.note('applied')
    this.applied = this.#whole
    this.#since = await this.#state.note('since')
    this.#seen = (await this.#state.note('seen')) ?? this.#whole
    this.#parts = ((await this.#state.note('parts')) ?? [everything]).map(partOf)
  }

  /** The mirror is to hold this part from now on. What was applied of another is no start for changes of it. */
  async choose(part: Part): Promise<void> {
    const last = this.#parts.at(-1)
    if (last !== undefined && sameSelection(last.selection, part.selection)) return
    this.#parts = [...(this.hasBegun ? this.#parts : []), part].slice(-partsMax)
    await this.#beginAnew()
  }

  /** Nothing is known any more of what the folder holds of the log, but what is recorded path by path. */
  async #beginAnew(): Promise<void> {
    this.#whole = undefined
    if (this.hasBegun) this.#since = { fork: 0, length: 0 }
    const [since, parts] = [this.#since, this.#parts.map(({ selection }) => selection)]
    await this.#state.commit((batch) => {
      batch.forget('applied')
      if (since !== undefined) batch.note('since', since)
      batch.note('parts', parts)
    })
  }

  get parts(): readonly Part[] {
    return this.#parts
  }

  /**
   * The latest version by which the folder may have been written, where `version` is followed.
   *
   * @param known the latest that is known of the log: after it was fetched anew perhaps not all that was seen
   */
  latest(version: Version, known: Version | undefined): Version {
    const seen = this.#seen
    if (seen?.fork !== version.fork || known?.fork !== version.fork || !isEarlier(version, seen)) return version
    return isEarlier(known, seen) ? known : seen
  }

  get whole(): Version | undefined {
    return this.#whole
  }

  /** From where on the folder may hold what the log has said and nobody recorded. */
  get since(): Version | undefined {
    return this.applied ?? this.#since
  }

  /** Whether anything was ever written by the log. */
  get hasBegun(): boolean {
    return this.#since !== undefined
  }

  /**
   * Every run of the writer begins a fork: as far as that holds what was there before, it is the same
   * history.
   *
   * @param carried gives a version of an earlier fork as one of the present fork where it can be
   */
  async carry(carried: (version: Version) => Version): Promise<void> {
    const carry = (version: Version | undefined) => version && carried(version)
    const before = [this.applied, this.#since]
    this.applied = carry(this.applied)
    this.#whole = carry(this.#whole)
    this.#since = carry(this.#since)
    if (before[0] === this.applied && before[1] === this.#since) return
    const [whole, since] = [this.#whole, this.#since]
    await this.#state.commit((batch) => {
      if (whole !== undefined) batch.note('applied', whole)
      if (since !== undefined) batch.note('since', since)
    })
  }

  /**
   * A log never goes back: not within a fork, nor to an earlier one. Where it seems to, the store was set
   * back, or the peers', and what is newer is waited for.
   *
   * @returns what to say of it
   */
  rollback(version: Version): SyncError | undefined {
    const seen = this.#seen
    if (seen === undefined || !isEarlier(version, seen)) return undefined
    const name = ({ fork, length }: Version) => `version ${length} (fork ${fork})`
    return new SyncError(
      'ROLLED_BACK',
      `All that peers have is ${name(version)} of the log, and ${name(seen)} was here already. ` +
        'Nothing is taken back; it goes on when a peer has what comes after'
    )
  }

  /** A version is being followed. */
  async see(version: Version): Promise<void> {
    if (this.applied !== undefined && isEarlier(version, this.applied)) await this.#beginAnew()
    if (this.#seen !== undefined && !isEarlier(this.#seen, version)) return
    await this.#state.commit((batch) => batch.note('seen', version))
    this.#seen = version
  }

  /** The folder is about to be written to. */
  async begin(): Promise<void> {
    if (this.hasBegun) return
    this.#since = { fork: 0, length: 0 }
    await this.#state.commit((batch) => batch.note('since', { fork: 0, length: 0 }))
  }

  /** The baseline is being changed: it is of no single version. The note is taken back by who changes it. */
  between(): void {
    this.#whole = undefined
  }

  /** A version was applied. @returns whether it is another than before */
  async apply(version: Version, { whole }: { readonly whole: boolean }): Promise<boolean> {
    const news = !sameVersion(this.applied, version)
    this.applied = version
    if (whole) {
      this.#whole = version
      this.#since = version
      const isOnePart = this.#parts.length <= 1
      this.#parts = this.#parts.slice(-1)
      const parts = this.#parts.map(({ selection }) => selection)
      await this.#state.commit((batch) => {
        batch.note('applied', version)
        batch.note('since', version)
        if (!isOnePart) batch.note('parts', parts)
      })
    }
    return news
  }
}
