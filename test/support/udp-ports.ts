import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Takes a UDP port of loopback until it is closed. */
export async function takeUdpPort(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind({ port, address: '127.0.0.1', exclusive: true })
  await once(socket, 'listening')
  return socket
}

/** The first of `count` UDP ports of loopback in a row that are currently free. */
export async function freeUdpPorts(count: number): Promise<number> {
  for (;;) {
    // Outside the ephemeral range, whose ports the system could hand out meanwhile.
    const first = 20_000 + Math.floor(Math.random() * 10_000)
    const taken: Socket[] = []
    try {
      for (let i = 0; i < count; i++) taken.push(await takeUdpPort(first + i))
      return first
    } catch {
      // One of them is in use.
    } finally {
      for (const socket of taken) socket.close()
    }
  }
}
