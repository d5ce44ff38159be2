import { Socket } from 'node:net'
import { BufferPool } from '../../buffer-pool.ts'

/** The sizes of frames that arrive in one piece, up to those of the largest block. */
export const largeFrame = { min: 64 * 1024, max: 2 * 1024 * 1024 + 16 * 1024 } as const
/** A frame that takes longer is passed on in parts, since readers treat silence as death. */
const wholeMsMax = 250
const headerBytes = 3
/** Bytes per read while frames are small; fewer just after a large one, since another may follow. */
const scanBytes = { min: 4 * 1024, max: 64 * 1024 } as const

const memory = new BufferPool({ bytesMax: 8 * 1024 * 1024 })

/**
 * Reads the frames of a secret-stream, each a length of three bytes (little-endian) and that many bytes, into reused
 * memory. The kernel writes a large frame straight to its final place, and the reader passes it on in one piece.
 */
export class FrameReader {
  /** Called with the received bytes, in order. */
  onChunk: (chunk: Buffer) => void = () => {}
  readonly #scan = Buffer.allocUnsafeSlow(scanBytes.max)
  #scanBytes: number = scanBytes.max
  #mayBeWhole: () => boolean = () => false
  /** Bytes still to come before the first frame. */
  #preamble: number
  #headerAt = 0
  #length = 0
  /** Bytes still to come of a frame that is passed on in parts. */
  #missing = 0
  /** The large frame being filled, and the bytes of it that are there. */
  #frame: Buffer | undefined
  #filled = 0
  #sinceMs = 0

  constructor(preamble: number) {
    this.#preamble = preamble
  }

  /** Allocates the memory that a header announces from now on, while `mayBeWhole` is true. */
  trust(mayBeWhole: () => boolean): void {
    this.#mayBeWhole = mayBeWhole
  }

  /** The memory for the next bytes. */
  room(): Buffer {
    return this.#frame?.subarray(this.#filled) ?? this.#scan.subarray(0, this.#scanBytes)
  }

  /** Handles `bytes` bytes that were written to `room()`. */
  onRead(bytes: number): void {
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

  /** The length of a frame, once the last byte of its header is there. */
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

  /** Passes on a copy, since receivers keep the buffer and the scan memory is reused. */
  #pass(bytes: Buffer): void {
    if (bytes.length > 0) this.onChunk(Buffer.from(bytes))
  }
}

const readers = new WeakMap<Socket, FrameReader>()

/** Node's internal handle of a connection. */
interface Handle {
  reading: boolean
  readStop(): void
}

/**
 * Moves a connection to a new socket that reads through a `FrameReader`. Node offers `onread` to dialling sockets only,
 * so both sides build a new socket around the connection's handle, as Node does itself.
 *
 * @param preamble bytes before the first frame
 * @throws if the connection has closed
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
        reader.onRead(bytes)
        return true
      }
    }
  }
  const reading = new Socket(options as object)
  reader.onChunk = (chunk) => reading.emit('data', chunk)
  readers.set(reading, reader)
  return reading
}

/** Trusts the peer of a socket with large frames; see `FrameReader.trust`. */
export function trustFrames(socket: Socket, mayBeWhole: () => boolean): void {
  readers.get(socket)?.trust(mayBeWhole)
}
