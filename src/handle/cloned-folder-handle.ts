import type { Findings, VerifyEvent } from '../care/verify-events.ts'
import type { VerifyHost } from '../care/verify-host.ts'
import { type RepairOptions, repairDamage } from '../care/verify-repair.ts'
import { setAside, takeBack } from '../disk/path/set-aside.ts'
import { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import { type Folder, openFolder } from '../folder/folder.ts'
import type { IdleTimeout } from '../folder/idle-timeout.ts'
import { untilAborted } from '../folder/until-aborted.ts'
import { parseKey, printKey } from '../log/hypercore/store.ts'
import { type Selected, type SelectOptions, selectIn, selectionChange } from '../mirror/change-selection.ts'
import { SpaceFromReplacedFiles } from '../session/free-space.ts'
import type { SessionOptions } from '../session/open-session.ts'
import type { ClonedFolder, CloneOptions } from './folder-api.ts'
import { FolderHandle, type InternalOptions } from './folder-handle.ts'

/** A folder that mirrors one published elsewhere. */
export class ClonedFolderHandle extends FolderHandle implements ClonedFolder {
  readonly #directory: string
  readonly #options: CloneOptions
  readonly #space = new SpaceFromReplacedFiles()
  protected override readonly sessionOptions: Pick<SessionOptions, 'follow'>
  /** The selection of the options, until it is stored with the mirror. */
  #selection: SelectOptions | undefined
  /** The state directory, once a session has opened it. */
  #home: string | undefined
  /** Whether the next session forgets which version was applied, as versions of another log count anew. */
  #forgetsApplied = false
  /** Where `rebuild` of the options has put the store. */
  #storeSetAside: string | undefined

  /** @throws {SyncError} BAD_KEY, USAGE */
  constructor(key: string, directory: string, options: CloneOptions & InternalOptions) {
    const keyBytes = parseKey(key)
    super(options, printKey(keyBytes))
    this.#directory = directory
    this.#options = options
    this.#selection = selectionOf(options)
    this.sessionOptions = {
      follow: {
        key: keyBytes,
        safeLinks: options.safeLinks === true,
        keepReplaced: options.keepReplaced,
        onStateOpen: (folder, state) => this.#onStateOpen(folder, state)
      }
    }
    this.subscribe(({ type }) => {
      if (type === 'in-sync') this.#space.reset()
    })
  }

  inSync(): Promise<void> {
    return this.events.next((event) => event.type === 'in-sync')
  }

  async select(options: SelectOptions = {}): Promise<Selected> {
    if (this.#home === undefined) throw new SyncError('NOT_READY', 'This folder is not open')
    const selected = await selectIn(this.#home, options)
    this.session?.follows?.selection.check()
    return selected
  }

  /** Repairs what was found damaged. Throws as `verify` does. */
  repair(findings: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
    return repairDamage(() => this.verifyHost(), findings, options)
  }

  /** Follows the log until the folder is in sync. @throws the reason of `timeout` when it is over */
  async followOnce(timeout: IdleTimeout): Promise<void> {
    const inSync = this.inSync()
    inSync.catch(() => {}) // The folder may be closed before anybody awaits it.
    const unsubscribe = this.subscribe(timeout.active)
    try {
      await this.ready()
      if (this.isIdle) this.session?.loop.start()
      await untilAborted(inSync, timeout.signal)
    } finally {
      unsubscribe()
    }
  }

  /** Undoes `rebuild` of the options. Call it when the folder is closed. */
  takeBackStore(): void {
    if (this.#storeSetAside !== undefined) takeBack(this.#storeSetAside, this.claimed.folder.store)
  }

  protected override get damageAdvice(): string {
    return 'The files are untouched. Give --rebuild to fetch the log anew from its peers; files that match are kept'
  }

  protected override claim(): Folder {
    const { state, adopt, rebuild, existing } = this.#options
    const folder = openFolder(this.#directory, { role: 'reader', key: this.key, state, adopt, existing })
    if (rebuild !== true) return folder
    const keptAs = setAside(folder.store)
    if (keptAs === undefined) return folder
    this.#storeSetAside = keptAs
    this.#forgetsApplied = true
    this.#tellRebuilt(keptAs)
    return folder
  }

  protected override freeSpace(folder: Folder): number {
    const bytes = this.#space.free(folder)
    if (bytes > 0) {
      const message = `The disk is full: ${Math.ceil(bytes / 1e6)} MB of what was kept of replaced files went early`
      this.monitor.emit({ type: 'notice', message })
    }
    return bytes
  }

  protected override get renewals(): Pick<VerifyHost, 'rebuild' | 'renewState'> {
    return {
      rebuild: (timeout) => this.#rebuild(timeout),
      renewState: async (timeout) => {
        await this.claimed.recovery.reopen(({ state }) => State.discard(state))
        await this.followOnce(timeout)
      }
    }
  }

  async #onStateOpen({ home }: Folder, state: State): Promise<void> {
    this.#home = home
    if (this.#selection !== undefined) await selectIn(home, this.#selection)
    this.#selection = undefined
    if (this.#forgetsApplied) await state.commit((batch) => batch.forget('applied'))
    this.#forgetsApplied = false
  }

  /** Fetches the log anew; when no peer has it, the old one comes back. @returns why not, in words */
  async #rebuild(timeout: IdleTimeout): Promise<string | undefined> {
    if (this.#options.offline === true) return 'It is made anew from peers'
    const { recovery } = this.claimed
    let keptAs: string | undefined
    await recovery.reopen(({ store }) => {
      keptAs = setAside(store)
      this.#forgetsApplied = true
    })
    try {
      await this.followOnce(timeout)
      this.#tellRebuilt(keptAs ?? '')
      return undefined
    } catch (error) {
      if (!timeout.signal.aborted) throw error
      await recovery.reopen(({ store }) => takeBack(keptAs, store))
      return 'No peer was found that has the log'
    }
  }

  #tellRebuilt(keptAs: string): void {
    const message = `The log is fetched anew; the old one was set aside as ${keptAs}. Remove it when all is well`
    this.monitor.emit({ type: 'notice', message })
  }
}

/** The selection that the options ask for, if they do. @throws {SyncError} USAGE */
function selectionOf({ only, exclude, version }: CloneOptions): SelectOptions | undefined {
  const selection = {
    ...(only === undefined ? {} : { only }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(version === undefined ? {} : { version })
  }
  return selectionChange(selection) === undefined ? undefined : selection
}
