import type { Assert } from 'brittle'
import createTestnet from 'hyperdht/testnet.js'

/** A private DHT on loopback, with enough nodes that connections don't stall, until the test ends. */
export async function startTestnet(
  t: Assert
): Promise<{ readonly addresses: { host: string; port: number }[]; readonly text: string }> {
  const testnet = await createTestnet(6)
  t.teardown(() => testnet.destroy(), { order: 1000 })
  const addresses = testnet.bootstrap.map(({ host, port }) => ({ host, port }))
  return { addresses, text: addresses.map(({ host, port }) => `${host}:${port}`).join(',') }
}
