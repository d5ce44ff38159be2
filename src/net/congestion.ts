import { readFileSync } from 'node:fs'

/** Whether this machine's TCP keeps its pace when packets are lost: its congestion control is BBR. */
export function hasBbr(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').startsWith('bbr')
  } catch {
    return false // Not Linux.
  }
}
