import { isIP } from 'node:net'
import * as c from 'compact-encoding'

/** How a peer describes itself once both ends of a stream have proven that they know the secret. */
export interface Introduction {
  /** The public key of its machine, and that key's signature of this very stream. */
  readonly machine: Uint8Array
  readonly signature: Uint8Array
  /** Whether its TCP uses BBR, which keeps its rate when packets are lost. */
  readonly bbr: boolean
  /** Whether it mostly sends: it is the source. */
  readonly sends: boolean
  /** The port where it accepts TCP connections; 0 for none. */
  readonly port: number
  /** Its own addresses, as far as it knows them. */
  readonly hosts: readonly string[]
}

/** Version of the message that this code writes. Later versions may only append fields, which this code skips. */
const format = 1
const bbrFlag = 1
const sendsFlag = 2
const hostsMax = 16

export function encodeIntroduction({ machine, signature, bbr, sends, port, hosts }: Introduction): Buffer {
  const sentHosts = hosts.slice(0, hostsMax)
  return Buffer.concat([
    c.encode(c.uint, format),
    machine,
    signature,
    c.encode(c.uint, (bbr ? bbrFlag : 0) | (sends ? sendsFlag : 0)),
    c.encode(c.uint, port),
    c.encode(c.uint, sentHosts.length),
    ...sentHosts.map((host) => c.encode(c.string, host))
  ])
}

/** @throws {RangeError} when `bytes` isn't a valid introduction */
export function decodeIntroduction(bytes: Uint8Array): Introduction {
  const state: c.State = { start: 0, end: bytes.length, buffer: bytes }
  try {
    if (c.uint.decode(state) < 1) throw new RangeError('an introduction of an unknown format')
    const machine = Buffer.from(c.fixed32.decode(state))
    const signature = Buffer.from(c.fixed64.decode(state))
    const flags = c.uint.decode(state)
    const port = c.uint.decode(state)
    const count = c.uint.decode(state)
    if (port > 65_535 || count > hostsMax) throw new RangeError('an introduction out of bounds')
    const hosts = Array.from({ length: count }, () => c.string.decode(state))
    if (hosts.some((host) => isIP(host) === 0)) throw new RangeError('an introduction with an invalid address')
    return { machine, signature, bbr: (flags & bbrFlag) !== 0, sends: (flags & sendsFlag) !== 0, port, hosts }
  } catch (error) {
    if (error instanceof RangeError) throw error
    throw new RangeError('an introduction that ends too early', { cause: error })
  }
}
