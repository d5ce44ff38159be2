import { readFileSync } from 'node:fs'

/** What controls the congestion of this machine's TCP, such as `cubic`; `undefined` where that isn't told, as off Linux. */
export function congestionControl(): string | undefined {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Whether this machine's TCP keeps its pace when packets are lost. */
export function hasBbr(): boolean {
  return congestionControl() === 'bbr'
}
