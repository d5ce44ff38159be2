import { BlockList, isIPv6 } from 'node:net'

/** Where something listens. `host` is a name or an IP address; a link-local IPv6 one has its zone, `fe80::1%eth0`. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`; an IPv6 address stands in brackets. */
export function showAddress({ host, port }: Address): string {
  return isIPv6(host.split('%')[0] as string) ? `[${host}]:${port}` : `${host}:${port}`
}

/** Reads what `showAddress` writes. @returns `undefined` for anything else */
export function readAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]@]+)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) return undefined
  return { host: (match[1] ?? match[2]) as string, port }
}

/** Turns an IPv4 address as a dual-stack socket reports it, `::ffff:10.0.0.1`, into its plain form. */
export function plainHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host
}

/** Ranges that don't name exactly one other machine. */
const notUnicast = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['224.0.0.0', 3]
] as const) {
  notUnicast.addSubnet(net, prefix)
}
// Link-local IPv6 addresses mean nothing without a zone, and a peer's zone isn't valid here.
for (const [net, prefix] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8]
] as const) {
  notUnicast.addSubnet(net, prefix, 'ipv6')
}

/** Whether an IP address may belong to one other machine. */
export function isUnicast(host: string): boolean {
  const plain = plainHost(host)
  return !notUnicast.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}
