import { connect, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import * as c from 'compact-encoding'
import { keyPair as newKeyPair, sign } from 'hypercore-crypto'
import Protomux, { type Message } from 'protomux'
import { encodeIntroduction, type Introduction } from '../../src/net/introduction.ts'
import { proofOf } from '../../src/net/rendezvous.ts'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'
import { Wire } from '../../src/net/wire/wire.ts'
import { until } from './until.ts'

export interface InsiderOptions {
  readonly port: number
  readonly secret: Uint8Array
  /** Its address on loopback. */
  readonly localAddress?: string
  readonly keyPair?: KeyPair
  readonly machine?: KeyPair
  /** Replaces the true introduction by a false one. */
  readonly bend?: (truth: Introduction) => Introduction
  /** Whether it introduces itself. */
  readonly introduces?: boolean
  /** Whether it answers pings, as a peer must to stay connected. */
  readonly answers?: boolean
}

/** A peer at the TCP port that has the key, and follows the protocol as far as the test wants. */
export class Insider {
  readonly socket: Socket
  readonly stream: SecretStream
  /** The numbers of the reasons for refusing it. */
  readonly refusals: number[] = []
  /** How often the other end announced that it replicates. */
  carried = 0
  pongs = 0
  isIntroduced = false
  carry: Message<null> | undefined
  ping: Message<number> | undefined
  lost: Message<null> | undefined
  introduce: Message<Uint8Array> | undefined

  private constructor(socket: Socket, stream: SecretStream) {
    this.socket = socket
    this.stream = stream
  }

  /** Resolves when both ends have proven that they know the secret, or the connection is closed. */
  static async open(t: Assert, options: InsiderOptions): Promise<Insider> {
    const { port, secret, localAddress = '127.0.0.1', keyPair = newKeyPair(), machine = newKeyPair() } = options
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    t.teardown(() => socket.destroy(), { order: -1 })
    socket.on('error', () => {})
    socket.write(Buffer.of(2))
    const wire = new Wire(socket)
    wire.trust()
    const stream = new SecretStream(true, wire, { pattern: 'XX', keyPair })
    stream.on('error', () => {})
    const insider = new Insider(socket, stream)
    if (!(await stream.opened)) return insider
    let isProven = false
    const { introduces = true, answers = true, bend = (truth) => truth } = options
    const channel = Protomux.from(stream).createChannel<Uint8Array>({
      protocol: 'p2psync/link/1',
      handshake: c.fixed32,
      onopen: () => {
        isProven = true
        const signed = Buffer.concat([Buffer.from('p2psync machine 1 initiator '), stream.handshakeHash])
        const signature = sign(signed, machine.secretKey)
        const self = { bbr: false, sends: false, port: 0, hosts: [] }
        const truth = { machine: machine.publicKey, signature, ...self }
        if (introduces) insider.introduce?.send(encodeIntroduction(bend(truth)))
      },
      onclose: () => {},
      ondrain: () => {}
    })
    if (channel === null) throw new Error('The channel is open already')
    const onIntroduction = () => {
      insider.isIntroduced = true
      insider.ping?.send(1)
    }
    insider.introduce = channel.addMessage({ encoding: c.buffer, onmessage: onIntroduction })
    insider.carry = channel.addMessage({ encoding: c.none, onmessage: () => insider.carried++ })
    insider.ping = channel.addMessage({ encoding: c.uint, onmessage: (number) => answers && pong.send(number) })
    const pong = channel.addMessage({ encoding: c.uint, onmessage: () => insider.pongs++ })
    channel.addMessage({ encoding: c.uint, onmessage: (reason) => insider.refusals.push(reason) })
    insider.lost = channel.addMessage({ encoding: c.none, onmessage: () => {} })
    channel.open(proofOf(secret, stream.handshakeHash, 'initiator'))
    await until(() => isProven || stream.destroyed, { what: 'the proof' })
    return insider
  }

  get isGone(): boolean {
    return this.stream.destroyed
  }
}
