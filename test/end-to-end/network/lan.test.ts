import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { type Host, namespaceTest, openLan } from '../../support/namespaces.ts'
import { arrives, timed } from '../../support/timed.ts'

/** Two hosts on an isolated network without a DHT. */
async function openScene(t: Assert) {
  const [a, b] = openLan(t, 2) as [Host, Host]
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), 'first')
  const share = (args: readonly string[] = []) => startShare(t, source, { bootstrap: 'none', host: a, args })
  const clone = (key: string, args: readonly string[] = []) =>
    startClone(t, key, mirror, { bootstrap: 'none', host: b, args })
  /** Changes the file, and waits until the mirror has it. @returns how long that took, in milliseconds */
  const change = async (text: string) => {
    const startMs = performance.now()
    writeFileSync(join(source, 'file'), text)
    await arrives(mirror, text)
    return performance.now() - startMs
  }
  return { a, b, source, mirror, share, clone, change }
}

namespaceTest('two hosts on a network without a DHT find each other, and connect by TCP', async (t) => {
  const { share, clone, mirror, change } = await openScene(t)
  const writer = await share()
  let reader: Command | undefined
  await timed(t, 'from the start of the clone to the file', async () => {
    reader = clone(writer.key)
    await arrives(mirror, 'first')
  })
  const peer = await reader?.event('peer')
  t.is(peer?.transport, 'tcp')
  t.is(peer?.distance, 'lan')
  await change('second')
})

namespaceTest('a command that only reads a folder finds its source, too', async (t) => {
  const { share, b } = await openScene(t)
  const writer = await share()
  const startListing = () => start(t, ['ls', writer.key], { bootstrap: 'none', host: b })
  const listings = [startListing(), startListing()]
  for (const listing of listings) {
    t.is(await listing.exit(), 0)
    t.is(listing.stdout, 'file\n')
  }
})

namespaceTest('they continue after a cable was unplugged', async (t) => {
  const { share, clone, b, change, mirror, source } = await openScene(t)
  const writer = await share()
  const reader = clone(writer.key)
  await reader.event('in-sync')
  b.cable(false)
  await reader.event('peer', ({ state }) => state === 'disconnected')
  writeFileSync(join(source, 'file'), 'meanwhile')
  await writer.event('peer', ({ state }) => state === 'disconnected')
  b.cable(true)
  await timed(t, 'from the cable to the file', () => arrives(mirror, 'meanwhile'))
  await change('afterwards')
})

namespaceTest('they continue when the source has another address', async (t) => {
  const { share, clone, a, b, mirror, source } = await openScene(t)
  // Over IPv6, whose addresses stay, the change would go unnoticed.
  for (const host of [a, b]) host.run('ip', '-6', 'address', 'flush', 'dev', 'eth0')
  const writer = await share()
  const reader = clone(writer.key)
  await reader.event('in-sync')
  writeFileSync(join(source, 'file'), 'second')
  const before = a.address
  a.readdress(before.replace(/\d+$/, '77'))
  await timed(t, 'from the new address to the file', () => arrives(mirror, 'second'))
  // Through the new address or IPv6, whichever connects first.
  await reader.event('peer', ({ address }) => !address.startsWith(`${before}:`))
  writeFileSync(join(source, 'file'), 'third')
  await arrives(mirror, 'third')
})

namespaceTest('they continue after the source was killed and restarted', async (t) => {
  const { share, clone, mirror, source } = await openScene(t)
  const writer = await share()
  const reader = clone(writer.key)
  await reader.event('in-sync')
  await writer.kill('SIGKILL')
  writeFileSync(join(source, 'file'), 'second')
  await timed(t, 'from the start of the source to the file', async () => {
    await share()
    await arrives(mirror, 'second')
  })
})

namespaceTest('a reader that started first finds the source at once', async (t) => {
  const { share, clone, mirror } = await openScene(t)
  const first = await share()
  await first.kill('SIGTERM')
  const reader = clone(first.key)
  await reader.event('notice', ({ message }) => message.startsWith('No peer yet'))
  await timed(t, 'from the start of the source to the file', async () => {
    await share()
    await arrives(mirror, 'first')
  })
})
