import type { Connection, ConnectionInside } from 'hyperswarm'
import { type Bucket, Tap } from './bucket.ts'
import { Pacer } from './pacer.ts'
import type { Throttles } from './wire.ts'

/** How often a stream that is held looks whether its peer still lives. */
const lifeMs = 1000

/**
 * Holds a connection over UDX to the two buckets, as `Wire` does over TCP, from within secret-stream, as UDX can't be
 * wrapped: Hypercore asks the raw stream itself for its round-trip time. All that is taken hold of is private, and
 * pinned by a test.
 *
 * Down, UDX has no way to hold its peer back: what came waits in memory, and only what the reader asks for anew is
 * held to the limit. So what it asks for at once bounds both that memory and the first burst.
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

  // True also for what waits: secret-stream would take any drain of the raw stream for the end of it.
  let write = (bytes: Buffer): boolean => pacer.write(bytes) || pacer.waiting
  connection._rawStream = {
    write: (bytes) => write(bytes),
    end: () => raw.end(),
    on: (name, listener) => raw.on(name, listener)
  }

  let awake = false
  /**
   * Has the peer told of every packet. Its UDX gathers a whole frame, or 60 KiB of it, until two frames come in one
   * packet; at a slow pace that silence would be longer than its timeout.
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
  let life: NodeJS.Timeout | undefined
  const tap = new Tap(bucket, () => {
    clearInterval(life)
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
    let seen = raw.bytesReceived
    // While nothing is read secret-stream hears nothing, and would take the peer for dead.
    life = setInterval(() => {
      if (raw.bytesReceived !== seen) connection._timeoutTimer?.refresh()
      seen = raw.bytesReceived
    }, lifeMs)
  }
  raw.on('data', ({ length }: Buffer) => {
    if (tap.waiting) return
    tap.flowed(length)
    if (tap.waiting) hold()
  })
  raw.on('close', () => {
    tap.stop()
    clearInterval(life)
  })
}
