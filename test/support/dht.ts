import DHT from 'hyperdht'

/** A private DHT in one process: `node dht.js <address of this host>` prints the address of its first node. */
const host = process.argv[2] as string
const port = 49_737
/** With one or two nodes, connections stall for seconds. */
const nodesMin = 5

const first = DHT.bootstrapper(port, host, { bootstrap: [] })
await first.fullyBootstrapped()
for (let nodes = 1; nodes < nodesMin; nodes++) {
  const node = new DHT({ bootstrap: [{ host, port }], host, ephemeral: false, firewalled: false })
  await node.fullyBootstrapped()
}
process.stdout.write(`${host}:${port}\n`)
