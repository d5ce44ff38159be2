import { setTimeout as sleep } from 'node:timers/promises'
import { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import type { Folder } from '../folder/folder.ts'
import type { Monitor } from '../folder/monitor.ts'
import { SpaceWait } from '../folder/space-wait.ts'
import {
  decideRecovery,
  failureOf,
  openingFailureOf,
  type RecoveryAction,
  type RecoveryFacts,
  withAdvice
} from './recovery-decision.ts'

/** Before a state is renewed, in milliseconds: a disk that breaks whatever is written must not keep us busy. */
const renewMs = 1000

export interface RecoveryOptions {
  readonly folder: Folder
  readonly monitor: Monitor
  /** What the folder's owner can do about a damaged store. */
  readonly advice: string
  /** Whether sessions are open without a loop. */
  readonly isIdle: boolean
  /** Opens a session. */
  readonly open: () => Promise<void>
  /** Closes the session, if one is open. */
  readonly close: () => Promise<void>
  /** Frees space on the folder's disk while no session is open. @returns the bytes freed */
  readonly freeSpace: () => number
  /** Called when the folder can't go on. */
  readonly onGivenUp: (failure: SyncError) => void
}

/** Opens a folder's sessions, one after the other, and carries out what `decideRecovery` decides when one fails. */
export class Recovery {
  readonly #options: RecoveryOptions
  readonly #stop = new AbortController()
  readonly #spaceWait = new SpaceWait()
  /** The recovery, or the deliberate reopening, that is under way. Never rejects. */
  #running: Promise<void> | undefined
  #isOpeningFirst = false
  /** The failure of a session that connects to peers already, but isn't open yet. */
  #postponed: SyncError | undefined
  /** Whether a full disk was reported, and the folder hasn't caught up since. */
  #isFullReported = false

  constructor(options: RecoveryOptions) {
    this.#options = options
  }

  /**
   * Opens the first session. It doesn't wait for space, as whoever asked waits for the outcome; but it renews a state.
   *
   * @throws whatever keeps the folder from being opened
   */
  async openFirst(): Promise<void> {
    this.#isOpeningFirst = true
    try {
      await this.#openFirst()
    } finally {
      this.#isOpeningFirst = false
    }
    if (this.#postponed !== undefined) this.#recoverFrom(this.#postponed)
  }

  async #openFirst(): Promise<void> {
    const { folder, advice, isIdle, open } = this.#options
    for (let isStateRenewed = false; ; ) {
      this.#postponed = undefined
      try {
        await open()
        return
      } catch (error) {
        const failure = failureOf(error, folder.store)
        const action = this.#decide(failure, { phase: 'opening', isIdle, isStateRenewed })
        if (action === 'renew-state') {
          State.discard(folder.state)
          isStateRenewed = true
        } else if (action !== 'reopen') {
          throw failure === undefined ? error : withAdvice(failure, advice)
        }
      }
    }
  }

  /**
   * Takes an error of a loop, of the log or of the connections, and recovers from it in the background where that helps.
   *
   * @returns `false` where the loop should try again by itself
   */
  readonly onFailure = (error: unknown): boolean => {
    const { folder, isIdle } = this.#options
    const failure = failureOf(error, folder.store)
    const facts = { phase: 'working', isIdle, isSpaceFreed: undefined, isStateRenewed: false } as const
    const action = decideRecovery(failure, facts)
    if (failure === undefined || action === 'leave-to-loop') return false
    if (action === 'keep-open') return true
    // A recovery would open another session beside the one that is being opened.
    if (this.#isOpeningFirst) this.#postponed ??= failure
    else this.#recoverFrom(failure)
    return true
  }

  /**
   * Closes the session, changes the folder's databases, and opens another session.
   *
   * @throws {SyncError} CLOSED after `stop`; whatever `between` throws, and what keeps the folder from being opened
   */
  async reopen(between: (folder: Folder) => void): Promise<void> {
    // Others may wait, too, and one of them goes first.
    while (this.#running !== undefined) await this.#running
    if (this.#stop.signal.aborted) throw new SyncError('CLOSED', 'The folder was closed')
    const reopening = (async () => {
      await this.#close()
      between(this.#options.folder)
      await this.#options.open()
    })()
    this.#running = this.#track(reopening)
    await reopening
  }

  /** The folder has caught up: nothing stands in its way any more. */
  caughtUp(): void {
    if (!this.#isFullReported) return
    this.#isFullReported = false
    this.#spaceWait.reset()
    const { folder, monitor } = this.#options
    monitor.emit({ type: 'notice', message: `Going on with ${folder.root}` })
  }

  /** Ends whatever is under way. Nothing is opened afterwards. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  #recoverFrom(failure: SyncError): void {
    if (!this.#stop.signal.aborted) this.#running ??= this.#track(this.#recover(failure))
  }

  #track(work: Promise<void>): Promise<void> {
    return work
      .catch(() => {})
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Recovers. A failure of the recovery itself, such as a state that can't be deleted, ends the folder. */
  async #recover(first: SyncError): Promise<void> {
    try {
      await this.#retry(first)
    } catch (error) {
      if (!this.#stop.signal.aborted) await this.#giveUp(openingFailureOf(error, this.#options.folder.store))
    }
  }

  async #retry(first: SyncError): Promise<void> {
    const { folder, open } = this.#options
    for (let failure: SyncError | undefined = first; failure !== undefined; ) {
      const isReady = await this.#prepare(failure)
      if (!isReady || this.#stop.signal.aborted) return
      failure = await open().then(
        () => undefined,
        (error: unknown) => openingFailureOf(error, folder.store)
      )
    }
  }

  /** Closes the session and makes the folder ready for another. @returns `false` where none is to follow */
  async #prepare(failure: SyncError): Promise<boolean> {
    const { folder, monitor, isIdle } = this.#options
    const { signal } = this.#stop
    const facts = { phase: 'reopening', isIdle, isStateRenewed: false } as const
    if (decideRecovery(failure, { ...facts, isSpaceFreed: undefined }) === 'give-up') {
      await this.#giveUp(failure)
      return false
    }
    await this.#close()
    const action = this.#decide(failure, facts)
    if (action === 'await-space') {
      this.#reportFull()
      await this.#spaceWait.until(folder, signal)
    } else if (action === 'renew-state') {
      State.discard(folder.state)
      monitor.emit({ type: 'notice', message: `${failure.message}. p2psync rebuilds it and rescans the folder` })
      await sleep(renewMs, undefined, { signal }).catch(() => {})
    }
    return true
  }

  async #giveUp(failure: SyncError): Promise<void> {
    const { monitor, advice, onGivenUp } = this.#options
    const advised = withAdvice(failure, advice)
    monitor.error(advised)
    await this.#close()
    onGivenUp(advised)
  }

  /** Decides, after freeing space where that comes first. Call it while no session is open. */
  #decide(failure: SyncError | undefined, facts: Omit<RecoveryFacts, 'isSpaceFreed'>): RecoveryAction {
    const action = decideRecovery(failure, { ...facts, isSpaceFreed: undefined })
    if (action !== 'free-space') return action
    return decideRecovery(failure, { ...facts, isSpaceFreed: this.#options.freeSpace() > 0 })
  }

  /** A damaged session may fail to close, and recovery goes on all the same. */
  async #close(): Promise<void> {
    await this.#options.close().catch(() => {})
  }

  #reportFull(): void {
    if (this.#isFullReported) return
    this.#isFullReported = true
    const { folder, monitor } = this.#options
    monitor.error(new SyncError('DISK_FULL', this.#spaceWait.describe(folder)))
  }
}
