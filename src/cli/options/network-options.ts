import { type Command, Option } from 'commander'
import type { Address, ConnectOptions, PeerAddress } from '../../index.ts'
import { optionGroups } from '../manual/help-style.ts'
import { given } from './options.ts'
import { collect, parseAddresses, parsePeer, parsePort, parseRate } from './parse.ts'

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
      new Option('--bootstrap <host:port,...>', 'join the DHT through these nodes, not the public one; none for no DHT')
        .env('P2PSYNC_BOOTSTRAP')
        .argParser(parseAddresses)
    )
    .option('--peer <[key@]host:port>', 'also connect to this peer; may be repeated', collect(parsePeer))
    .option('--port <port>', 'accept TCP connections on this port (default: any)', parsePort)
    .option('--listen <address>', 'accept TCP connections on this address only')
    .addOption(
      new Option('--no-tcp', 'use only UDP, and find peers only through the DHT').conflicts(['peer', 'port', 'listen'])
    )
    .option('--no-lan', 'do not look for peers on local networks (also: P2PSYNC_NO_LAN=1)')
    .option('--allow <public key>', 'connect to this machine only; may be repeated', collect(String))
    .option('--limit-up <rate>', 'send at most this many bytes/s, such as 500k or 2M', parseRate)
    .option('--limit-down <rate>', 'receive at most this many bytes/s', parseRate)
    .optionsGroup(optionGroups.own)
}

/** The options of a connection among those of a command. */
export function connectOptions(options: NetworkOptions): ConnectOptions {
  const { bootstrap, lan, tcp, port, listen, peer: peers, allow, limitUp: up, limitDown: down } = options
  return { ...given({ bootstrap, port, listen, peers, allow }), lan, tcp, limits: { up, down } }
}
