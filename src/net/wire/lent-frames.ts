import type SecretStream from '@hyperswarm/secret-stream'
import { BufferPool } from '../../buffer-pool.ts'
import { largeFrame } from './frame-reader.ts'

/** What stands before a message in its frame, and all that is put around it. */
const messageAt = 4
const aroundBytes = 20

const memory = new BufferPool({ bytesMax: 16 * 1024 * 1024 })

/** What of a stream is its own. */
interface Writing {
  _write(message: Uint8Array, done: (error?: Error | null) => void): void
}

/** Has a stream make large frames in memory that is used again, once the wire has sent them. */
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
  // Of several that wait to be written, it knows the last one's frame alone, and copies the others.
  writing._write = (message, done) => {
    const frame = frames.get(message)
    if (frame !== undefined) {
      stream._outgoingWrapped = frame
      stream._outgoingPlain = message
    }
    _write.call(stream, message, done)
  }
}
