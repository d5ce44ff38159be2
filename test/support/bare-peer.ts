import type SecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import * as c from 'compact-encoding'
import { keyPair as newKeyPair, sign } from 'hypercore-crypto'
import Protomux, { type Channel, type Message } from 'protomux'
import type { Address } from '../../src/net/address/address.ts'
import { Direct } from '../../src/net/direct.ts'
import { encodeIntroduction } from '../../src/net/introduction.ts'
import { proofOf } from '../../src/net/rendezvous.ts'
import { Bucket } from '../../src/net/wire/bucket.ts'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'

export interface BarePeerOptions {
  /** The secret that it proves to know. */
  readonly secret: Uint8Array
  readonly keyPair?: KeyPair
  /** Sends further messages in the same write as its proof. */
  readonly withProof?: (peer: BarePeer) => void
}

/** One TCP connection to a network, which sends whatever the test wants on its channel, and answers pings. */
export class BarePeer {
  readonly machine = newKeyPair()
  readonly stream: SecretStream
  readonly mux: Protomux
  readonly channel: Channel
  readonly introduce: Message<Uint8Array>
  readonly carry: Message<null>
  readonly ping: Message<number>
  readonly pong: Message<number>
  readonly refuse: Message<number>
  readonly lost: Message<null>
  /** The reasons given for refusing it. */
  readonly refusals: number[] = []
  /** Number of pings received: only admitted peers receive pings. */
  pings = 0

  private constructor(stream: SecretStream, { secret, withProof }: BarePeerOptions) {
    this.stream = stream
    stream.on('error', () => {})
    stream.setKeepAlive(1000)
    this.mux = Protomux.from(stream)
    const proof = proofOf(secret, stream.handshakeHash, 'initiator')
    const channel = this.mux.createChannel<Uint8Array>({
      protocol: 'p2psync/link/1',
      handshake: c.fixed32,
      onopen: () => {},
      onclose: () => {},
      ondrain: () => {}
    })
    if (channel === null) throw new Error('The stream is closed')
    this.channel = channel
    this.introduce = channel.addMessage({ encoding: c.buffer, onmessage: () => {} })
    this.carry = channel.addMessage({ encoding: c.none, onmessage: () => {} })
    this.ping = channel.addMessage({ encoding: c.uint, onmessage: (number) => this.#onPing(number) })
    this.pong = channel.addMessage({ encoding: c.uint, onmessage: () => {} })
    this.refuse = channel.addMessage({ encoding: c.uint, onmessage: (reason) => void this.refusals.push(reason) })
    this.lost = channel.addMessage({ encoding: c.none, onmessage: () => {} })
    this.mux.cork()
    channel.open(proof)
    withProof?.(this)
    this.mux.uncork()
  }

  static async open(t: Assert, address: Address, options: BarePeerOptions): Promise<BarePeer> {
    const throttles = { up: new Bucket(), down: new Bucket() }
    const direct = new Direct({ keyPair: options.keyPair ?? newKeyPair(), throttles, onStream: () => {} })
    t.teardown(() => direct.close())
    const { stream, trust } = await direct.dial([address], undefined, new AbortController().signal)
    trust()
    return new BarePeer(stream, options)
  }

  /** Its correct introduction. */
  introduction(): Buffer {
    const signed = Buffer.concat([Buffer.from('p2psync machine 1 initiator '), this.stream.handshakeHash])
    const signature = sign(signed, this.machine.secretKey)
    return encodeIntroduction({
      machine: this.machine.publicKey,
      signature,
      bbr: false,
      sends: false,
      port: 0,
      hosts: []
    })
  }

  #onPing(number: number): void {
    this.pings++
    this.pong.send(number)
  }
}
