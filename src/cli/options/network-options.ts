import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Address, ConnectOptions, PeerAddress } from '../../index.ts'
import { optionGroups } from '../manual/help-style.ts'
import { parseAddresses, parsePort, parseRate } from './options.ts'

/** Options of the commands that look for peers. */
export interface NetworkOptions {
  readonly bootstrap?: readonly Address[]
  readonly lan: boolean
  readonly tcp: boolean
  readonly port?: number
  readonly listen?: string
  readonly peer?: readonly PeerAddress[]
  readonly allow?: readonly string[]
  readonly limitUp?: number
  readonly limitDown?: number
}

export function addNetworkOptions(command: Command): Command {
  return command
    .optionsGroup(optionGroups.network)
    .addOption(
      new Option(
        '--bootstrap <host:port,...>',
        'join the DHT by these nodes instead of the public one; none for no DHT'
      )
        .env('P2PSYNC_BOOTSTRAP')
        .argParser(parseAddresses)
    )
    .option('--peer <[key@]host:port>', 'connect to this peer too; may be repeated', collect(parsePeer))
    .option('--port <port>', 'take TCP connections at this port (default: any)', parsePort)
    .option('--listen <address>', 'take TCP connections at this address alone')
    .addOption(
      new Option('--no-tcp', 'use UDP alone, and find peers by the DHT alone').conflicts(['peer', 'port', 'listen'])
    )
    .option('--no-lan', "don't look for peers on local networks (also: P2PSYNC_NO_LAN=1)")
    .option('--allow <public key>', 'connect to this machine alone; may be repeated', collect(String))
    .option('--limit-up <rate>', 'send so many bytes/s at most, such as 500k or 2M', parseRate)
    .option('--limit-down <rate>', 'receive so many bytes/s at most, from all peers', parseRate)
    .optionsGroup(optionGroups.own)
}

/** What a folder is to be told of them. */
export function connectOptions(options: NetworkOptions): ConnectOptions {
  const { bootstrap, lan, tcp, port, listen, peer: peers, allow, limitUp: up, limitDown: down } = options
  const given = { bootstrap, port, listen, peers, allow }
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...known, lan, tcp, limits: { up, down } }
}

/** Gathers an option that is given several times. */
function collect<T>(parse: (text: string) => T): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => [...before, parse(text)]
}

/** `host:port` or `key@host:port`. */
export function parsePeer(text: string): PeerAddress {
  const at = text.indexOf('@')
  const [address, ...more] = parseAddresses(at < 0 ? text : text.slice(at + 1))
  if (address === undefined || more.length > 0) throw new InvalidArgumentError('Give host:port or key@host:port.')
  return at < 0 ? address : { ...address, key: text.slice(0, at) }
}
