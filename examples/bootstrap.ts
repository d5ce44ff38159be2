/** The options for a private DHT, by the `host:port` of one of its nodes; the public DHT without one. */
export function bootstrapOf(node: string | undefined): { bootstrap?: { host: string; port: number }[] } {
  if (node === undefined) return {}
  const [host = '127.0.0.1', port] = node.split(':')
  return { bootstrap: [{ host, port: Number(port) }] }
}
