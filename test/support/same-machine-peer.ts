import { SameMachine } from '../../src/net/lan/same-machine.ts'

/**
 * `node same-machine-peer.js <id> <public key> <port>`: a peer for the other processes of this machine. Prints a line
 * of JSON when it hears of another; with the argument `brief` nothing keeps it alive, and it has to exit by itself.
 */
const [id, publicKey, port, brief] = process.argv.slice(2) as [string, string, string, string | undefined]
const here = new SameMachine({
  id,
  publicKey,
  port: Number(port),
  onPeer: (peer, addresses) => process.stdout.write(`${JSON.stringify({ peer, addresses })}\n`)
})
if (brief === undefined) {
  process.stdin.resume().on('end', () => {
    here.close()
    process.stdout.write('closed\n')
  })
}
