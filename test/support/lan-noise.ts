import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import makeMdns from 'multicast-dns'
import { announce } from '../../src/net/lan/lan-records.ts'

/**
 * `node lan-noise.js <own address> garbage`: bytes that are no packets, to the multicast DNS group.
 * `node lan-noise.js <own address> peers <id> <count>`: announces peers that don't exist.
 * `node lan-noise.js <own address> listen`: sends nothing; prints all packets of others, a line for each value.
 */
const [host, what, id, count] = process.argv.slice(2) as [string, string, string, string]
const sections = ['questions', 'answers', 'additionals', 'authorities']
const socket = createSocket({ type: 'udp4', reuseAddr: true })
const mdns = makeMdns({ socket, interface: host, bind: '0.0.0.0' })
const sendBytes = (bytes: Buffer) =>
  new Promise((resolve) => socket.send(bytes, 5353, '224.0.0.251', () => setImmediate(resolve)))
const sendPeer = (publicKey: string) =>
  new Promise((resolve) => mdns.respond(announce({ id, publicKey, port: 1 }), () => setImmediate(resolve)))

mdns.on('ready', async () => {
  if (what === 'listen') {
    mdns.on('packet', (packet: Record<string, readonly unknown[]>) => {
      for (const section of sections) for (const record of packet[section] ?? []) print(record)
    })
    process.stdout.write('listening\n')
    return
  }
  if (what === 'garbage') for (let size = 0; size < 1400; size++) await sendBytes(garbage(size))
  else for (let number = 0; number < Number(count); number++) await sendPeer(randomBytes(32).toString('hex'))
  process.exit()
})

/** Prints the name and the values of a record, one a line. */
function print(record: unknown): void {
  const { name, data } = record as { readonly name: string; readonly data?: unknown }
  const values = Array.isArray(data) ? data : typeof data === 'object' && data !== null ? Object.values(data) : [data]
  for (const value of [name, ...values]) if (value !== undefined) process.stdout.write(`${value}\n`)
}

/** The beginning of a response with very many records, the first of which is p2psync's. */
const responsePrefix = Buffer.from(
  '\0\0\x84\0\0\0\xff\xff\0\0\xff\xff\x08_p2psync\x04_tcp\x05local\0\0\x0c\0\x01',
  'latin1'
)

function garbage(size: number): Buffer {
  const bytes = randomBytes(size)
  if (size % 2 === 0) bytes.set(responsePrefix.subarray(0, size))
  return bytes
}
