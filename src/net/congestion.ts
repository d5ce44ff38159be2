import { readFileSync } from 'node:fs'

/** The congestion control of this machine's TCP, such as `cubic`; `undefined` where the system doesn't report it. */
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
