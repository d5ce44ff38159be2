import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { Address } from './address.ts'

/**
 * The address of this machine from which packets to `address` leave. Nothing is sent.
 *
 * @throws the system's error, such as ENETUNREACH, if there is no route
 */
export async function localHostTowards({ host, port }: Address): Promise<string> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, host)
    await once(socket, 'connect')
    return socket.address().address
  } finally {
    socket.close()
  }
}
