import type { State } from '../disk/state.ts'
import { SyncError } from '../errors.ts'
import { isEarlier, sameVersion, type Version } from '../tree/tree.ts'

/** Where a mirror stands in its log, as far as it remembers. */
export class Standing {
  /** The version that was applied last, but for the paths that are owed. */
  applied: Version | undefined
  /** The version that the baseline stands for to the last path; it is noted. */
  #whole: Version | undefined
  /** The last version for which it did, once; length 0 when a first one was begun. Never taken back. */
  #since: Version | undefined
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
      await this.#state.commit((batch) => {
        batch.note('applied', version)
        batch.note('since', version)
      })
    }
    return news
  }
}
