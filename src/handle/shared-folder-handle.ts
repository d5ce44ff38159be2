import type { VerifyHost } from '../care/verify-host.ts'
import { State } from '../disk/state/state.ts'
import { type Folder, openFolder } from '../folder/folder.ts'
import type { SessionOptions } from '../session/open-session.ts'
import type { SharedFolder, ShareOptions } from './folder-api.ts'
import { FolderHandle, type InternalOptions } from './folder-handle.ts'

const pollIntervalMsDefault = 2000
const rescanIntervalMsDefault = 600_000

/** A folder that is published from here. */
export class SharedFolderHandle extends FolderHandle implements SharedFolder {
  readonly #directory: string
  readonly #options: ShareOptions
  protected override readonly sessionOptions: Pick<SessionOptions, 'publish' | 'isMoved'>

  constructor(directory: string, options: ShareOptions & InternalOptions) {
    super(options)
    this.#directory = directory
    this.#options = options
    this.sessionOptions = {
      isMoved: options.moved === true,
      publish: {
        poll: options.poll === true,
        pollIntervalMs: options.pollIntervalMs ?? pollIntervalMsDefault,
        rescanIntervalMs: options.rescanIntervalMs ?? rescanIntervalMsDefault,
        checksum: options.checksum === true
      }
    }
  }

  published(): Promise<void> {
    return this.events.next((event) => event.type === 'up-to-date')
  }

  protected override get damageAdvice(): string {
    return (
      'The files are untouched. Restore .p2psync from a backup and give --moved; without one, the key is lost: ' +
      'move .p2psync away and share under a new one'
    )
  }

  protected override claim(): Folder {
    const { state, existing } = this.#options
    return openFolder(this.#directory, { role: 'writer', state, existing })
  }

  /** A source keeps no replaced files. */
  protected override freeSpace(): number {
    return 0
  }

  protected override get renewals(): Pick<VerifyHost, 'rebuild' | 'renewState'> {
    return {
      rebuild: undefined,
      renewState: () => this.claimed.recovery.reopen(({ state }) => State.discard(state))
    }
  }
}
