import { isIP } from 'node:net'
import * as c from 'compact-encoding'

/** What a peer says of itself once both ends of a stream have proven that they know the secret. */
export interface Introduction {
  /** The public key of its machine, and that key's signature of this very stream. */
  readonly machine: Uint8Array
  readonly signature: Uint8Array
  /** Whether its TCP keeps its pace when packets are lost: its congestion control is BBR. */
  readonly bbr: boolean
  /** Whether it mostly sends: it is the source. */
  readonly sends: boolean
  /** Where it takes TCP connections; 0 for nowhere. */
  readonly port: number
  /** The addresses that it knows of itself. */
  readonly hosts: readonly string[]
}

/** Version of the message that this code writes. Later ones may only add fields at the end, which others skip. */
const format = 1
const bbrFlag = 1
const sendsFlag = 2
const hostsMax = 16

export function encodeIntroduction({ machine, signature, bbr, sends, port, hosts }: Introduction): Buffer {
  const told = hosts.slice(0, hostsMax)
  return Buffer.concat([
    c.encode(c.uint, format),
    machine,
    signature,
    c.encode(c.uint, (bbr ? bbrFlag : 0) | (sends ? sendsFlag : 0)),
    c.encode(c.uint, port),
    c.encode(c.uint, told.length),
    ...told.map((host) => c.encode(c.string, host))
  ])
}

/** @throws {RangeError} when it isn't one */
export function decodeIntroduction(bytes: Uint8Array): Introduction {
  const state: c.State = { start: 0, end: bytes.length, buffer: bytes }
  try {
    if (c.uint.decode(state) < 1) throw new RangeError('an introduction of no format')
    const machine = Buffer.from(c.fixed32.decode(state))
    const signature = Buffer.from(c.fixed64.decode(state))
    const flags = c.uint.decode(state)
    const port = c.uint.decode(state)
    const count = c.uint.decode(state)
    if (port > 65_535 || count > hostsMax) throw new RangeError('an introduction out of bounds')
    const hosts = Array.from({ length: count }, () => c.string.decode(state))
    if (hosts.some((host) => isIP(host) === 0)) throw new RangeError('an introduction with an address that is none')
    return { machine, signature, bbr: (flags & bbrFlag) !== 0, sends: (flags & sendsFlag) !== 0, port, hosts }
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new RangeError('an introduction that ends too early', { cause: error })
  }
}
