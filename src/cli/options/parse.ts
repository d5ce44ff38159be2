import { InvalidArgumentError } from 'commander'
import type { Address, KeepReplaced, PeerAddress } from '../../index.ts'

// Parsers for the values of options. All throw InvalidArgumentError, whose message commander shows.

type Units = ReadonlyMap<string, number>

const durationMs: Units = units({ '': 1000, ms: 1, s: 1000, m: 60_000, h: 3_600_000 })
// A Node timer's delay is at most 2^31 - 1 ms.
const durationMsMax = 24 * 3_600_000

/** `500ms`, `10s`, `5m`, `1h`, or a number of seconds; in milliseconds. */
export function parseDuration(text: string): number {
  const ms = amountIn(durationMs, text.trim())
  if (ms === undefined || ms < 1 || ms > durationMsMax) {
    throw new InvalidArgumentError('Give a time such as 500ms, 10s, 5m or 1h, up to 24h.')
  }
  return ms
}

const yearMs = 31_557_600_000
const ageMs: Units = units({ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: yearMs })
const ageMsMax = 1000 * yearMs

/** `12h`, `30d`, `2w`, `1y`; in milliseconds. The unit is required: a bare number could mean days or seconds. */
export function parseAge(text: string): number {
  const ms = amountIn(ageMs, text.trim())
  if (ms === undefined || ms > ageMsMax) throw new InvalidArgumentError('Give an age such as 12h, 30d, 2w or 1y.')
  return ms
}

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!/^\d{1,15}$/.test(text) || count < 1) throw new InvalidArgumentError('Give a whole number of at least 1.')
  return count
}

const prefixBytes: Units = units({ '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 })
/** Below this rate, in bytes per second, the messages that keep a connection alive would come too late. */
const rateMin = 1000

/**
 * `500k`, `2M`, `1.5MB/s`, `800KiB`, or a number; in bytes per second. `Infinity` for `none` and `unlimited`.
 * A small b is refused, as it means bits.
 */
export function parseRate(text: string): number {
  const trimmed = text.trim()
  if (trimmed === 'none' || trimmed === 'unlimited') return Number.POSITIVE_INFINITY
  const rate = bytesIn(trimmed.replace(/\/s$/, ''))
  if (rate === undefined || rate < rateMin) {
    throw new InvalidArgumentError('Give bytes per second such as 500k, 2M or 800KiB, 1k or more, or none.')
  }
  return rate
}

/** Files smaller than this share blocks of the log, so their contents can't stay in the folder alone. */
const inPlaceMin = 128 * 1024

/** `1MiB`, `500k`, or a number; in bytes. `Infinity` for `none`. */
export function parseSize(text: string): number {
  const trimmed = text.trim()
  if (trimmed === 'none') return Number.POSITIVE_INFINITY
  const size = bytesIn(trimmed)
  if (size === undefined || size < inPlaceMin) {
    throw new InvalidArgumentError('Give a size such as 500k, 1MiB or 2G, 128KiB or more, or none.')
  }
  return size
}

/** An upper or lower case prefix, then perhaps an upper case B. */
function bytesIn(text: string): number | undefined {
  const normal = withoutSpace(text)
    .replace(/B$/, '')
    .replace(/[KMG](?=i?$)/, (prefix) => prefix.toLowerCase())
  return amountIn(prefixBytes, normal)
}

const keepMs: Units = units({ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 })
const keepBytes: Units = units({ k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 })
const keepMsMax = 36_500 * 86_400_000

/** A time such as `30d`, a size such as `50G`, or both, `30d,50G`; a small m means minutes. `0` and `none` keep nothing. */
export function parseKeepReplaced(text: string): KeepReplaced {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length === 1 && (parts[0] === 'none' || parts[0] === '0')) return { ms: 0 }
  const keep: { ms?: number; bytes?: number } = {}
  for (const part of parts) {
    const ms = amountIn(keepMs, part)
    const bytes = amountIn(keepBytes, withoutSpace(part).replace(/B$/, ''))
    if (ms !== undefined && keep.ms === undefined) keep.ms = ms
    else if (bytes !== undefined && keep.bytes === undefined) keep.bytes = bytes
    else throw new InvalidArgumentError('Give a time such as 12h or 30d, a size such as 50G, both as 30d,50G, or none.')
  }
  if ((keep.ms ?? 0) > keepMsMax) throw new InvalidArgumentError('Give a time up to 36500d.')
  return keep
}

/** A TCP or UDP port. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('Give a port from 1 to 65535.')
  }
  return port
}

/** `host:port,host:port`, or `none`; an IPv6 address stands in brackets. */
export function parseAddresses(text: string): Address[] {
  if (text.trim() === 'none') return []
  return text.split(',').map((part) => {
    const [, ipv6, name, digits] =
      /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(part.trim()) ?? []
    const host = ipv6 ?? name
    const port = Number(digits)
    if (host === undefined || port < 1 || port > 65_535) {
      throw new InvalidArgumentError(`${JSON.stringify(part)} is not host:port. Give host:port,host:port or none.`)
    }
    return { host, port }
  })
}

/** `host:port` or `key@host:port`. */
export function parsePeer(text: string): PeerAddress {
  const at = text.indexOf('@')
  const [address, ...more] = parseAddresses(at < 0 ? text : text.slice(at + 1))
  if (address === undefined || more.length > 0) throw new InvalidArgumentError('Give host:port or key@host:port.')
  return at < 0 ? address : { ...address, key: text.slice(0, at) }
}

/** `5%` or `0.05`; more than 0, at most 1. */
export function parseShare(text: string): number {
  const share = amountIn(units({ '': 1, '%': 0.01 }), text.trim())
  if (share === undefined || share <= 0 || share > 1) {
    throw new InvalidArgumentError('Give a share such as 5%, up to 100%.')
  }
  return share
}

/** The index of a block; a negative one counts from the end. */
export function parseBlockIndex(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give the index of a block.')
  return Number(text)
}

/** From the first byte to before the last; a negative start counts from the end. */
export interface RequestedBytes {
  readonly start?: number
  readonly end?: number
}

/** `0-99`, `500-`, `-500`, as in HTTP: both ends belong to the range. */
export function parseByteRange(text: string): RequestedBytes {
  const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(text.trim()) ?? []
  if (first === '' && last !== '' && Number(last) > 0) return { start: -Number(last) }
  if (first !== '' && last === '') return { start: Number(first) }
  if (first !== '' && Number(last) >= Number(first)) return { start: Number(first), end: Number(last) + 1 }
  throw new InvalidArgumentError('Give the first and last byte, such as 0-99, 500- or -500 for the last 500.')
}

/** Collects the parsed values of an option that may be repeated. */
export function collect<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, parse(text)]
}

function units(of: Readonly<Record<string, number>>): Units {
  return new Map(Object.entries(of))
}

/** An amount times its unit; `undefined` for a text that is anything else. */
function amountIn(units: Units, text: string): number | undefined {
  const [, amount, name = ''] = /^(\d+(?:\.\d+)?)(\D*)$/.exec(text) ?? []
  const unit = units.get(name)
  return amount === undefined || unit === undefined ? undefined : Number(amount) * unit
}

/** Sizes and rates may have a space before their unit. */
function withoutSpace(text: string): string {
  return text.replace(/^([\d.]+) (?=\S)/, '$1')
}
