const tellEveryMs = 200

/** Whether it is time to tell again how far it has come. */
export function progressGate(): () => boolean {
  let toldMs = performance.now()
  return () => {
    const nowMs = performance.now()
    if (nowMs - toldMs < tellEveryMs) return false
    toldMs = nowMs
    return true
  }
}
