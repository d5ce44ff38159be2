import { BlockList, isIPv6 } from 'node:net'

/** Where something listens. `host` is a name or an address; a link-local IPv6 one carries its zone, `fe80::1%eth0`. */
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

/** An IPv4 address in the form in which a socket for both families has it, `::ffff:10.0.0.1`, in its own form. */
export function plainHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host
}

/** Ranges where no other machine is, or more than one. */
const notUnicast = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['224.0.0.0', 3]
] as const) {
  notUnicast.addSubnet(net, prefix)
}
// Link-local addresses of IPv6 mean nothing without their zone, which isn't ours.
for (const [net, prefix] of [
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8]
] as const) {
  notUnicast.addSubnet(net, prefix, 'ipv6')
}

/** Whether an IP address may be one of another machine. */
export function isUnicast(host: string): boolean {
  const plain = plainHost(host)
  return !notUnicast.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}
