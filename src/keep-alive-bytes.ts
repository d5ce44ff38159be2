/** Peers that have nothing to send still exchange fewer bytes than this between two readings of a counter, to stay connected. */
const keepAliveBytesMax = 4096

/** Whether bytes are too few to be more than what keeps connections alive. */
export function isSilence(bytes: number): boolean {
  return bytes < keepAliveBytesMax
}
