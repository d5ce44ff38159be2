import type { PeerRecord } from '../../handle/status.ts'
import { showBytes, showTransport } from './text.ts'

/** `203.0.113.7:49737     UDX                   31 ms  ↑ 1.2 MB/s  ↓ 0 B/s    e8yxrqm1` */
export function peerLine(peer: PeerRecord, columns = Number.POSITIVE_INFINITY): string {
  const { address, rttMs, sendRate, receiveRate, machine } = peer
  const rtt = `${rttMs < 10 ? rttMs : Math.round(rttMs)} ms`
  const rates = `↑ ${`${showBytes(sendRate)}/s`.padEnd(9)} ↓ ${`${showBytes(receiveRate)}/s`.padEnd(9)}`
  const line = `${address.padEnd(22)} ${showTransport(peer).padEnd(19)} ${rtt.padStart(7)}  ${rates}`
  const full = `${line} ${machine.slice(0, 8)}`
  return (full.length > columns ? line : full).trimEnd()
}
