import type { Connection, ConnectionInside } from 'hyperswarm'
import { type Bucket, Tap } from './bucket.ts'
import { Pacer } from './pacer.ts'
import type { Throttles } from './wire.ts'

/** How often to check a held stream for received bytes. */
const livenessMs = 1000

/**
 * Limits a connection over UDX by the two buckets, as `Wire` does over TCP. It does so within secret-stream, because
 * UDX can't be wrapped: Hypercore asks the raw stream itself for its round-trip time. The private members used here are
 * pinned by a test.
 *
 * Downwards, UDX can't push back: received bytes wait in memory, and only further requests of the reader obey the
 * limit. The requests in flight therefore bound both that memory and the first burst.
 */
export function throttle(connection: Connection, { up, down }: Throttles): void {
  const inside = connection as unknown as ConnectionInside
  throttleUp(inside, up)
  throttleDown(inside, down)
}

function throttleUp(connection: ConnectionInside, bucket: Bucket): void {
  const raw = connection.rawStream
  const encrypt = connection._write.bind(connection)
  let held: ((error: Error | null) => void) | undefined
  const release = (error: Error | null): void => {
    const done = held
    held = undefined
    done?.(error)
  }
  const pacer = new Pacer(bucket, raw, () => release(null))
  raw.on('drain', () => pacer.drained())
  raw.on('close', () => {
    pacer.stop()
    release(new Error('Stream destroyed'))
  })

  // True also while bytes wait in the pacer: after false, secret-stream would treat any drain of the raw stream as
  // ours.
  let write = (bytes: Buffer): boolean => pacer.write(bytes) || pacer.waiting
  connection._rawStream = {
    write: (bytes) => write(bytes),
    end: () => raw.end(),
    on: (name, listener) => raw.on(name, listener)
  }

  let awake = false
  /**
   * Sends two empty frames in one packet, after which the peer's UDX delivers every packet at once. Before that it
   * gathers a whole frame, or 60 KiB of it, and at a slow rate that silence would exceed the peer's timeout.
   */
  const wakePeer = (): void => {
    awake = true
    const frames: Buffer[] = []
    const direct = write
    write = (bytes) => frames.push(bytes) > 0
    for (let i = 0; i < 2; i++) encrypt(Buffer.alloc(0), () => {})
    write = direct
    raw.write(Buffer.concat(frames))
  }

  connection._write = (message, done) => {
    if (!bucket.limited && !pacer.waiting) return encrypt(message, done)
    if (!awake && !pacer.waiting) wakePeer()
    encrypt(message, (error) => {
      if (error !== null || !pacer.waiting) done(error)
      else held = done
    })
  }
}

function throttleDown(connection: ConnectionInside, bucket: Bucket): void {
  const raw = connection.rawStream
  const [pause, resume] = [raw.pause.bind(raw), raw.resume.bind(raw)]
  let wanted = true
  let livenessTimer: NodeJS.Timeout | undefined
  const tap = new Tap(bucket, () => {
    clearInterval(livenessTimer)
    if (wanted) resume()
  })

  raw.pause = () => {
    wanted = false
    return pause()
  }
  raw.resume = () => {
    wanted = true
    return tap.waiting ? raw : resume()
  }
  const hold = (): void => {
    pause()
    let lastReceived = raw.bytesReceived
    // Secret-stream sees no data while reading pauses, and would treat the peer as dead.
    livenessTimer = setInterval(() => {
      if (raw.bytesReceived !== lastReceived) connection._timeoutTimer?.refresh()
      lastReceived = raw.bytesReceived
    }, livenessMs)
  }
  raw.on('data', ({ length }: Buffer) => {
    if (tap.waiting) return
    tap.flowed(length)
    if (tap.waiting) hold()
  })
  raw.on('close', () => {
    tap.stop()
    clearInterval(livenessTimer)
  })
}
