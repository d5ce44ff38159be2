import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Address, InPlaceOptions, KeepReplaced } from '../../index.ts'
import { optionGroups } from '../manual/help-style.ts'

/** Options that every command has. */
export interface CommonOptions {
  readonly state?: string
  readonly inPlaceAbove?: number
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

export function addCommonOptions(command: Command): Command {
  return command
    .optionsGroup(optionGroups.state)
    .option('--state <dir>', 'keep log and state in this directory; only a marker stays in the folder')
    .option(
      '--in-place-above <size>',
      'keep contents of files larger than this in the folder alone, or none (default: 1MiB)',
      parseSize
    )
    .option('--json', 'print events to stdout, one JSON object a line')
    .addOption(new Option('-q, --quiet', 'print nothing but errors').conflicts('verbose'))
    .option('-v, --verbose', 'print also peers and every version')
    .optionsGroup(optionGroups.own)
}

/** Those of some options that were given. */
export function given<T extends object>(options: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** What a folder is to be told of them. */
export function folderOptions({ state, inPlaceAbove }: CommonOptions): InPlaceOptions & { readonly state?: string } {
  return { ...(state === undefined ? {} : { state }), ...(inPlaceAbove === undefined ? {} : { inPlaceAbove }) }
}

/** `host:port,host:port`, or `none`; an IPv6 address stands in brackets. */
export function parseAddresses(text: string): Address[] {
  if (text.trim() === 'none') return []
  return text.split(',').map((part) => {
    const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(part.trim())
    const port = Number(match?.[3])
    if (match === null || port < 1 || port > 65_535) {
      throw new InvalidArgumentError(`${JSON.stringify(part)} is not host:port. Give host:port,host:port or none.`)
    }
    return { host: (match[1] ?? match[2]) as string, port }
  })
}

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
// Node's timers take no longer delay than 2^31 - 1 ms.
const durationMsMax = 24 * 3_600_000

/** `500ms`, `10s`, `5m`, `1h`, or a number of seconds; in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim())
  const ms = Number(match?.[1]) * unitMs[(match?.[2] ?? 's') as keyof typeof unitMs]
  if (match === null || ms < 1 || ms > durationMsMax) {
    throw new InvalidArgumentError('Give a time such as 500ms, 10s, 5m or 1h, up to 24h.')
  }
  return ms
}

const ageUnitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_557_600_000 } as const
const ageMsMax = 1000 * ageUnitMs.y

/** `12h`, `30d`, `2w`, `1y`; in milliseconds. It has a unit: days and seconds are too far from each other to be guessed. */
export function parseAge(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdwy])$/.exec(text.trim())
  const ms = Number(match?.[1]) * ageUnitMs[(match?.[2] ?? 's') as keyof typeof ageUnitMs]
  if (match === null || ms > ageMsMax) throw new InvalidArgumentError('Give an age such as 12h, 30d, 2w or 1y.')
  return ms
}

/** A whole number from 1 on. */
export function parseCount(text: string): number {
  const count = Number(text)
  if (!/^\d{1,15}$/.test(text) || count < 1) throw new InvalidArgumentError('Give a whole number, 1 or more.')
  return count
}

const prefixBytes = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 } as const
// Slower than this not even what keeps connections alive would get through in time.
const rateMin = 1000

/**
 * `500k`, `2M`, `1.5MB/s`, `800KiB`, or a number; in bytes per second. `Infinity` for `none` and `unlimited`. A small b
 * is refused, as it stands for bits.
 */
export function parseRate(text: string): number {
  const trimmed = text.trim()
  if (trimmed === 'none' || trimmed === 'unlimited') return Number.POSITIVE_INFINITY
  const match = /^(\d+(?:\.\d+)?) ?((?:[kKmMgG]i?)?)B?(?:\/s)?$/.exec(trimmed)
  const rate = Number(match?.[1]) * prefixBytes[(match?.[2] ?? '').toLowerCase() as keyof typeof prefixBytes]
  if (match === null || rate < rateMin) {
    throw new InvalidArgumentError('Give bytes per second such as 500k, 2M or 800KiB, 1k or more, or none.')
  }
  return rate
}

// Smaller files share blocks.
const inPlaceMin = 128 * 1024

/** `1MiB`, `500k`, or a number; in bytes. `Infinity` for `none`. */
export function parseSize(text: string): number {
  const trimmed = text.trim()
  if (trimmed === 'none') return Number.POSITIVE_INFINITY
  const match = /^(\d+(?:\.\d+)?) ?((?:[kKmMgG]i?)?)B?$/.exec(trimmed)
  const size = Number(match?.[1]) * prefixBytes[(match?.[2] ?? '').toLowerCase() as keyof typeof prefixBytes]
  if (match === null || size < inPlaceMin) {
    throw new InvalidArgumentError('Give a size such as 500k, 1MiB or 2G, 128KiB or more, or none.')
  }
  return size
}

const keepUnitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const
const keepUnitBytes = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 } as const
const keepMsMax = 100 * 365 * keepUnitMs.d

/** A time such as `30d`, a size such as `50G`, or both, `30d,50G`; a small m is minutes. `0` and `none` keep nothing. */
export function parseKeepReplaced(text: string): KeepReplaced {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length === 1 && (parts[0] === 'none' || parts[0] === '0')) return { ms: 0 }
  const keep: { ms?: number; bytes?: number } = {}
  for (const part of parts) {
    const [, timed, time] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(part) ?? []
    const [, sized, size] = /^(\d+(?:\.\d+)?) ?(k|[MGT]|[KMGT]i)B?$/.exec(part) ?? []
    if (timed !== undefined && keep.ms === undefined)
      keep.ms = Number(timed) * keepUnitMs[time as keyof typeof keepUnitMs]
    else if (sized !== undefined && keep.bytes === undefined)
      keep.bytes = Number(sized) * keepUnitBytes[size as keyof typeof keepUnitBytes]
    else throw new InvalidArgumentError('Give a time such as 12h or 30d, a size such as 50G, both as 30d,50G, or none.')
  }
  if ((keep.ms ?? 0) > keepMsMax) throw new InvalidArgumentError('Give a time up to 36500d.')
  return keep
}

/** For an option that may be given again and again. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

/** A TCP or UDP port. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('Give a port from 1 to 65535.')
  }
  return port
}
