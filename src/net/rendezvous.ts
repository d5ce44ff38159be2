import { createHmac } from 'node:crypto'

/**
 * The names under which peers that share a secret find each other. Each is a separate keyed hash (HMAC-SHA-256 with the
 * secret as key), so that none reveals the secret or another name.
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
 * Proves to the other end of an encrypted stream that this end knows the secret. The stream's unique handshake hash
 * binds the proof to this stream, and `side` keeps the other end from reflecting it.
 */
export function proofOf(secret: Uint8Array, handshakeHash: Uint8Array, side: 'initiator' | 'responder'): Buffer {
  return createHmac('sha256', secret).update(`p2psync proof 1 ${side} `).update(handshakeHash).digest()
}

function keyedHash(secret: Uint8Array, label: string): Buffer {
  return createHmac('sha256', secret).update(label).digest()
}
