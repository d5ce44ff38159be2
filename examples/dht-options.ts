/** Options that join the private DHT of a node at `host:port`; without one, the public DHT. */
export function dhtOptions(node: string | undefined): { bootstrap?: { host: string; port: number }[] } {
  if (node === undefined) return {}
  const [host = '127.0.0.1', port] = node.split(':')
  return { bootstrap: [{ host, port: Number(port) }] }
}
