import { type Address, showAddress } from './address/address.ts'
import type { Link } from './link.ts'

/** A peer that was given by its address. With the public key of it or of its machine nobody else is taken for it. */
export interface StaticPeer extends Address {
  readonly key?: Uint8Array | undefined
}

export interface StaticAddressOptions {
  /** Connects to whoever answers there, and goes on with nobody but who has the key, where there is one. */
  readonly dial: (address: Address, key: string | undefined) => Promise<Link | undefined>
  /** Whether a peer is connected, by its public key in hexadecimal. */
  readonly isConnected: (key: string) => boolean
  /** Who answers there has another secret; told once. */
  readonly onStranger: (address: string) => void
}

const retryMs = 2000
/** A key may be the peer's: then it is dialled as that, without showing ours to anybody else. It gets so long for it. */
const pinnedFirstMs = 1000
/** Somebody else has that address: for how long, nobody knows. */
const strangerRetryMs = 15_000

/** An address that was given. It is dialled whoever has it, and the key of the peer that turns out to be there is remembered. */
export class StaticAddress {
  /** The public key of the peer or its machine, in hexadecimal. */
  readonly key: string | undefined
  readonly address: Address
  /** Whether somebody with another secret was there last. */
  isStranger = false
  readonly #options: StaticAddressOptions
  #found: string | undefined
  #isBusy = false
  #dialMs = 0
  #isTold = false

  constructor({ key, host, port }: StaticPeer, options: StaticAddressOptions) {
    this.key = key && Buffer.from(key).toString('hex')
    this.address = { host, port }
    this.#options = options
    if (key !== undefined) this.#dialMs = performance.now() + pinnedFirstMs
  }

  /** Whether the peer of this address is connected, perhaps by another. */
  get isAnswered(): boolean {
    return [this.key, this.#found].some((key) => key !== undefined && this.#options.isConnected(key))
  }

  /** Dials where that is of use. */
  look(nowMs: number): void {
    if (this.#isBusy || this.isAnswered || nowMs < this.#dialMs) return
    this.#isBusy = true
    this.#dial().catch(() => {
      this.isStranger = false
      this.#rest(retryMs)
    })
  }

  async #dial(): Promise<void> {
    const link = await this.#options.dial(this.address, this.key)
    if (link === undefined) {
      this.#rest(retryMs)
      return
    }
    this.#found = link.peer
    // Another connection to the same peer may be kept instead: nothing is dialled as long as there is any.
    link.stream.once('close', () => {
      // The end that finds out first closes without a word.
      if (link.isProven) this.isStranger = false
      else this.#onStranger()
      this.#rest(link.reason === 'not-proven' ? strangerRetryMs : retryMs)
    })
  }

  #onStranger(): void {
    if (!this.#isTold) this.#options.onStranger(showAddress(this.address))
    this.#isTold = true
    this.isStranger = true
  }

  #rest(ms: number): void {
    this.#isBusy = false
    this.#dialMs = performance.now() + ms
  }
}
