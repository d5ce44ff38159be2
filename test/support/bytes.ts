/** `length` pseudo-random bytes, the same for the same seed: xorshift32, one word at a time. */
export function bytesOf(length: number, seed = 1): Buffer {
  const words = new Int32Array(Math.ceil(length / 4))
  let state = seed | 1 // Never 0, which xorshift never leaves.
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, length)
}
