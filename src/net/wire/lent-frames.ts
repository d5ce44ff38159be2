import type SecretStream from '@hyperswarm/secret-stream'
import { BufferPool } from '../../buffer-pool.ts'
import { largeFrame } from './frame-reader.ts'

/** A frame's bytes before its message, and all bytes around it. */
const messageAt = 4
const aroundBytes = 20

const memory = new BufferPool({ bytesMax: 16 * 1024 * 1024 })

/** The private part of a stream that is replaced here. */
interface Writing {
  _write(message: Uint8Array, done: (error?: Error | null) => void): void
}

/** Makes a stream build large frames in pooled memory, which the wire returns after sending. */
export function sendFromLent(stream: SecretStream): void {
  const { alloc } = stream
  const writing = stream as unknown as Writing
  const { _write } = writing
  const frames = new WeakMap<Uint8Array, Buffer>()
  stream.alloc = (length) => {
    if (length < largeFrame.min || length + aroundBytes > largeFrame.max) return alloc.call(stream, length)
    const frame = memory.lend(length + aroundBytes)
    stream._outgoingWrapped = frame
    stream._outgoingPlain = frame.subarray(messageAt, messageAt + length)
    frames.set(stream._outgoingPlain, frame)
    return stream._outgoingPlain
  }
  // The stream remembers only the frame allocated last and would copy the other queued messages.
  writing._write = (message, done) => {
    const frame = frames.get(message)
    if (frame !== undefined) {
      stream._outgoingWrapped = frame
      stream._outgoingPlain = message
    }
    _write.call(stream, message, done)
  }
}
