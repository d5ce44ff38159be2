import { createHmac } from 'node:crypto'

/**
 * What peers that share a secret meet under. Each is a keyed hash of its own (HMAC-SHA-256 with the secret as the
 * key), so that none gives away the secret, nor one of them another.
 */
export interface Rendezvous {
  /** The topic in the DHT. */
  readonly topic: Buffer
  /** 32 hexadecimal digits, for the local network and this machine. */
  readonly id: string
}

export function rendezvousOf(secret: Uint8Array): Rendezvous {
  return {
    topic: keyedHash(secret, 'p2psync topic 1'),
    id: keyedHash(secret, 'p2psync local 1').subarray(0, 16).toString('hex')
  }
}

/**
 * What proves to the other end of an encrypted stream that this end knows the secret: bound to this stream by its
 * handshake hash, which no other has, and to the side, so that it can't be sent back.
 */
export function proofOf(secret: Uint8Array, handshakeHash: Uint8Array, side: 'initiator' | 'responder'): Buffer {
  return createHmac('sha256', secret).update(`p2psync proof 1 ${side} `).update(handshakeHash).digest()
}

function keyedHash(secret: Uint8Array, label: string): Buffer {
  return createHmac('sha256', secret).update(label).digest()
}
