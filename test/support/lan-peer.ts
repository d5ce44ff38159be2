import { createInterface } from 'node:readline'
import { Interfaces } from '../../src/net/address/interfaces.ts'
import { Lan } from '../../src/net/lan/lan.ts'

/**
 * `node lan-peer.js <id> <public key> <port>`: a peer on the local network, which prints a line of JSON when it hears
 * of another, and for each line that it reads how it stands. Takes its leave when stdin ends, and then has to end by
 * itself.
 */
const [id, publicKey, port] = process.argv.slice(2) as [string, string, string]
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)
const interfaces = new Interfaces()
const lan = new Lan({
  id,
  publicKey,
  port: Number(port),
  interfaces,
  onPeer: (peer, addresses) => say({ peer, addresses })
})
const input = createInterface({ input: process.stdin })
input.on('line', () => say({ heard: lan.heard, working: lan.working, rssMb: process.memoryUsage.rss() / 1e6 }))
input.on('close', async () => {
  interfaces.close()
  await lan.close()
  say({ closed: true })
})
