/**
 * Runs a private DHT until Ctrl-C, and prints the addresses at which shares and clones can join it.
 *
 *   node dist/examples/bootstrap.js [IPv4 address of this machine] [first of five UDP ports]
 */
import { bootstrap } from 'p2psync'

const [host, port] = process.argv.slice(2)
const dht = bootstrap({ ...(host && { host }), ...(port && { port: Number(port) }) })

await dht.ready()
for (const { host, port } of dht.addresses) process.stdout.write(`${host}:${port}\n`)

process.once('SIGINT', () => dht.close())
process.once('SIGTERM', () => dht.close())
