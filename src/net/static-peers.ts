import { type Address, showAddress } from './address/address.ts'
import type { Link } from './link.ts'

/** A peer that the user named by address. The public key of the peer or its machine, if given, is required of it. */
export interface StaticPeer extends Address {
  readonly key?: Uint8Array | undefined
}

export interface StaticAddressOptions {
  /** Connects to whoever answers at the address; keeps the link only if the peer or its machine has `key`, if given. */
  readonly dial: (address: Address, key: string | undefined) => Promise<Link | undefined>
  /** Whether a peer is connected, by its public key in hexadecimal. */
  readonly isConnected: (key: string) => boolean
  /** Called once, when whoever answers there doesn't know the secret. */
  readonly onStranger: (address: string) => void
}

const retryMs = 2000
/**
 * Milliseconds before the first dial of an address with a key. If that key is the peer's own, a dial pinned to it goes
 * first, which doesn't show our key to anybody else.
 */
const pinnedFirstMs = 1000
/** A stranger has that address, perhaps for long. */
const strangerRetryMs = 15_000

/** Keeps dialling one static address until its peer is connected, and remembers the key of the peer found there. */
export class StaticAddress {
  /** The public key of the peer or its machine, in hexadecimal. */
  readonly key: string | undefined
  readonly address: Address
  /** Whether the last dial found somebody who doesn't know the secret. */
  isStranger = false
  readonly #options: StaticAddressOptions
  #found: string | undefined
  #isBusy = false
  #dialMs = 0
  #isStrangerReported = false

  constructor({ key, host, port }: StaticPeer, options: StaticAddressOptions) {
    this.key = key && Buffer.from(key).toString('hex')
    this.address = { host, port }
    this.#options = options
    if (key !== undefined) this.#dialMs = performance.now() + pinnedFirstMs
  }

  /** Whether the peer of this address is connected, perhaps through another address. */
  get isAnswered(): boolean {
    return [this.key, this.#found].some((key) => key !== undefined && this.#options.isConnected(key))
  }

  /** Dials if its peer isn't connected and the next dial is due. */
  dialIfDue(nowMs: number): void {
    if (this.#isBusy || this.isAnswered || nowMs < this.#dialMs) return
    this.#isBusy = true
    this.#dial().catch(() => {
      this.isStranger = false
      this.#scheduleNext(retryMs)
    })
  }

  async #dial(): Promise<void> {
    const link = await this.#options.dial(this.address, this.key)
    if (link === undefined) {
      this.#scheduleNext(retryMs)
      return
    }
    this.#found = link.peer
    // The peer may keep another connection and close this one; `isAnswered` prevents dials while any is open.
    link.stream.once('close', () => {
      // The end that first detects a wrong secret closes without giving a reason, so an unproven link means a stranger.
      if (link.isProven) this.isStranger = false
      else this.#onStranger()
      this.#scheduleNext(link.reason === 'not-proven' ? strangerRetryMs : retryMs)
    })
  }

  #onStranger(): void {
    if (!this.#isStrangerReported) this.#options.onStranger(showAddress(this.address))
    this.#isStrangerReported = true
    this.isStranger = true
  }

  #scheduleNext(ms: number): void {
    this.#isBusy = false
    this.#dialMs = performance.now() + ms
  }
}
