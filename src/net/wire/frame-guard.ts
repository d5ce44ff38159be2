/** The most that a peer may send before it has proved its identity. */
export const untrustedBytesMax = 4096

const headerBytes = 3

/**
 * Parses the frames of a secret-stream, each a length of three bytes (little-endian) and that many bytes, and admits
 * only as much as a stranger may send. A frame that is too large is stopped within its header, since secret-stream
 * allocates the memory that a header announces.
 */
export class FrameGuard {
  #budget = untrustedBytesMax
  #headerAt = 0
  #length = 0
  /** Bytes of the current frame still to come. */
  #missing = 0
  #frames = 0

  /** How many frames were admitted, at least in part. */
  get frames(): number {
    return this.#frames
  }

  /** How many bytes of `chunk` may pass. The caller must keep the rest. */
  admit(chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length) {
      if (this.#missing > 0) {
        const bytes = Math.min(this.#missing, chunk.length - at)
        this.#missing -= bytes
        at += bytes
      } else if (!this.#header(chunk[at] as number)) {
        return at
      } else {
        at++
      }
    }
    return at
  }

  #header(byte: number): boolean {
    const length = this.#length + byte * 256 ** this.#headerAt
    if (headerBytes + length > this.#budget) return false
    this.#length = length
    if (++this.#headerAt < headerBytes) return true
    this.#budget -= headerBytes + length
    this.#missing = length
    this.#frames++
    this.#headerAt = 0
    this.#length = 0
    return true
  }
}
