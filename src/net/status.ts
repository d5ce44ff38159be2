import type { Distance } from './address/interfaces.ts'
import type { NatKind } from './dht/dht.ts'
import type { Refusal } from './link.ts'
import type { Transport } from './paths.ts'

/** Bytes per second; `undefined` is no limit. */
export interface Limits {
  readonly up?: number | undefined
  readonly down?: number | undefined
}

/** A connected peer. */
export interface PeerStatus {
  /** Its public key in this folder, in hexadecimal. */
  readonly key: string
  /** The public key of its machine, in hexadecimal. */
  readonly machine: string
  readonly transport: Transport
  readonly distance: Distance
  /** `host:port` */
  readonly address: string
  readonly rttMs: number
  /** Bytes since it connected. */
  readonly received: number
  readonly sent: number
}

export type NetworkEvent =
  | { readonly type: 'peer'; readonly state: 'connected' | 'moved' | 'disconnected'; readonly peer: PeerStatus }
  /** One end refused the other, though both know the secret. */
  | {
      readonly type: 'refused'
      readonly by: 'us' | 'them'
      readonly reason: Refusal
      readonly machine: string
      readonly address: string
    }
  /** Two peers have the same keys; one of them is at this address. */
  | { readonly type: 'duplicate-identity'; readonly address: string }
  /** Whoever answers at a static address doesn't know the secret. */
  | { readonly type: 'stranger'; readonly address: string }

/** The state of the network, for status reports. */
export interface NetworkStatus {
  readonly dht: 'off' | 'reachable' | 'unreachable'
  /** How the DHT sees this machine. */
  readonly nat: NatKind
  /** How many peers answer through the DHT but can't be reached from here. */
  readonly unreachable: number
  readonly lan: 'off' | 'heard' | 'silent' | 'blocked'
  readonly tcp: number | undefined
  /** Static addresses that don't answer, `host:port`. */
  readonly unanswered: readonly string[]
  /** Static addresses where somebody answers who doesn't know the secret. */
  readonly strangers: readonly string[]
  /** Peers that refuse us. */
  readonly refusedBy: readonly { readonly address: string; readonly reason: Refusal }[]
}
