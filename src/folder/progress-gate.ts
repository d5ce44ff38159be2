const intervalMs = 200

/** @returns a function that is true every 200 ms: time to report progress again */
export function progressGate(): () => boolean {
  let lastMs = performance.now()
  return () => {
    const nowMs = performance.now()
    if (nowMs - lastMs < intervalMs) return false
    lastMs = nowMs
    return true
  }
}
