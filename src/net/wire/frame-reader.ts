import { Socket } from 'node:net'
import { BufferPool } from '../../buffer-pool.ts'

/** Frames from so many bytes on come whole, up to those of the largest block. */
export const largeFrame = { min: 64 * 1024, max: 2 * 1024 * 1024 + 16 * 1024 } as const
/** A frame that takes longer is passed on as it comes: there are those who take silence for death. */
const wholeMsMax = 250
const headerBytes = 3
/** How much is read at a time where frames are small; less at first after a large one, as another may follow. */
const scanBytes = { min: 4 * 1024, max: 64 * 1024 } as const

const memory = new BufferPool({ bytesMax: 8 * 1024 * 1024 })

/**
 * Reads the frames of a secret-stream, each a length of three bytes (little-endian) and as many bytes, into memory that
 * is used again: a large frame goes where it stays straight from the kernel, and is passed on in one piece.
 */
export class FrameReader {
  /** Called with what has come, in its order. */
  onChunk: (chunk: Buffer) => void = () => {}
  readonly #scan = Buffer.allocUnsafeSlow(scanBytes.max)
  #scanBytes: number = scanBytes.max
  #mayBeWhole: () => boolean = () => false
  /** Bytes before the first frame. */
  #preamble: number
  #headerAt = 0
  #length = 0
  /** What is still to come of a frame that is passed on as it comes. */
  #missing = 0
  /** A frame that is to be whole, and how much of it is there. */
  #frame: Buffer | undefined
  #filled = 0
  #sinceMs = 0

  constructor(preamble: number) {
    this.#preamble = preamble
  }

  /** From now on memory is set aside for as much as a header announces, while `mayBeWhole`. */
  trust(mayBeWhole: () => boolean): void {
    this.#mayBeWhole = mayBeWhole
  }

  /** Where the next bytes go. */
  room(): Buffer {
    return this.#frame?.subarray(this.#filled) ?? this.#scan.subarray(0, this.#scanBytes)
  }

  /** So many bytes were put there. */
  came(bytes: number): void {
    if (this.#frame === undefined) this.#parse(this.#scan.subarray(0, bytes))
    else this.#fill(this.#frame, bytes)
  }

  #fill(frame: Buffer, bytes: number): void {
    this.#filled += bytes
    if (this.#filled < frame.length && performance.now() - this.#sinceMs < wholeMsMax) return
    this.#frame = undefined
    this.#missing = frame.length - this.#filled
    this.onChunk(frame.subarray(0, this.#filled))
  }

  #parse(bytes: Buffer): void {
    this.#scanBytes = Math.min(scanBytes.max, 4 * this.#scanBytes)
    let done = 0
    for (let at = 0; at < bytes.length; ) {
      if (this.#preamble > 0 || this.#missing > 0) {
        const passed = Math.min(this.#preamble || this.#missing, bytes.length - at)
        if (this.#preamble > 0) this.#preamble -= passed
        else this.#missing -= passed
        at += passed
        continue
      }
      const length = this.#header(bytes[at++] as number)
      if (length === undefined) continue
      const start = at - headerBytes
      if (start < done || !this.#isWhole(length)) {
        this.#missing = length
        continue
      }
      this.#pass(bytes.subarray(done, start))
      done = Math.min(bytes.length, at + length)
      this.#begin(length, bytes.subarray(start, done))
      at = done
    }
    this.#pass(bytes.subarray(done))
  }

  /** The length of a frame, with the last byte of its header. */
  #header(byte: number): number | undefined {
    this.#length += byte * 256 ** this.#headerAt
    if (++this.#headerAt < headerBytes) return undefined
    const length = this.#length
    this.#headerAt = 0
    this.#length = 0
    return length
  }

  #isWhole(length: number): boolean {
    return length >= largeFrame.min && length <= largeFrame.max && this.#mayBeWhole()
  }

  #begin(length: number, bytes: Buffer): void {
    this.#frame = memory.lend(headerBytes + length, { inParts: true })
    this.#filled = 0
    this.#sinceMs = performance.now()
    this.#scanBytes = scanBytes.min
    bytes.copy(this.#frame)
    this.#fill(this.#frame, bytes.length)
  }

  /** Others keep what they are given. */
  #pass(bytes: Buffer): void {
    if (bytes.length > 0) this.onChunk(Buffer.from(bytes))
  }
}

const readers = new WeakMap<Socket, FrameReader>()

/** What Node keeps a connection by. */
interface Handle {
  reading: boolean
  readStop(): void
}

/**
 * Takes a connection over from the socket that made it, for one that reads by a `FrameReader`. Only who dials can say how
 * a socket of Node's is to read; what it is made of can be had on both sides, and Node itself makes sockets of it.
 *
 * @param preamble bytes before the first frame
 * @throws where the connection has closed
 */
export function readFrames(socket: Socket, preamble: number): Socket {
  const from = socket as unknown as { _handle: Handle | null }
  const handle = from._handle
  if (handle === null) throw new Error('The connection closed')
  if (handle.reading) handle.readStop()
  handle.reading = false
  from._handle = null
  socket.destroy()
  const reader = new FrameReader(preamble)
  const options = {
    handle,
    manualStart: true,
    onread: {
      buffer: () => reader.room(),
      callback(bytes: number) {
        reader.came(bytes)
        return true
      }
    }
  }
  const reading = new Socket(options as object)
  reader.onChunk = (chunk) => reading.emit('data', chunk)
  readers.set(reading, reader)
  return reading
}

/** Lets whoever is connected send frames of any length; see `FrameReader.trust`. */
export function trustFrames(socket: Socket, mayBeWhole: () => boolean): void {
  readers.get(socket)?.trust(mayBeWhole)
}
