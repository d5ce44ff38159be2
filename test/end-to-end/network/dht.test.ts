import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { type Host, namespaceTest, openLan, openNat } from '../../support/namespaces.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { arrives, timed } from '../../support/timed.ts'
import { until } from '../../support/until.ts'

/** UDX only: without TCP peers find each other through the DHT alone. */
const args = ['--no-tcp', '--no-lan']

/** Hosts with some path between them. */
interface Hosts {
  /** Where the DHT runs. */
  readonly outside: Host
  readonly a: Host
  readonly b: Host
}

function onLan(t: Assert): Hosts & { readonly c: Host } {
  const [outside, a, b, c] = openLan(t, 4) as [Host, Host, Host, Host]
  return { outside, a, b, c }
}

/** A source on one host and a reader on another, neither started yet. */
async function openScene<T extends Hosts>(t: Assert, hosts: T) {
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  const bootstrap = `${hosts.outside.address}:49737`
  const change = (text: string) => writeFileSync(join(source, 'file'), text)
  change('first')
  // Logs repeated DHT queries as well.
  const env = { NODE_DEBUG: 'p2psync:swarm' }
  const share = () => startShare(t, source, { bootstrap, host: hosts.a, args, env })
  const clone = (key: string, to = mirror, host = hosts.b) => startClone(t, key, to, { bootstrap, host, args, env })
  return { ...hosts, source, mirror, share, clone, change, dht: () => startDht(t, hosts.outside) }
}

async function startDht(t: Assert, host: Host): Promise<Command> {
  const dht = start(t, ['bootstrap', '--quiet'], { host })
  await until(() => dht.stdout.includes(host.address), { what: `the DHT\n${dht.stderr}` })
  return dht
}

const isAlone = ({ message }: { readonly message: string }) => message.startsWith('No peer yet')

for (const [where, hosts] of [
  ['on one network', onLan],
  [
    'behind NAT',
    (t: Assert) => {
      const { outside, inside } = openNat(t, { kind: 'port-restricted' })
      return { outside, a: inside[0], b: inside[1] }
    }
  ]
] as const) {
  namespaceTest(`${where} a reader receives changes after the source was killed and restarted`, async (t) => {
    const { dht, share, clone, mirror, change } = await openScene<Hosts>(t, hosts(t))
    await dht()
    let writer = await share()
    const reader = clone(writer.key)
    await arrives(mirror, 'first')
    // Once while the reader still believes the killed source alive, and once after it noticed.
    for (const isNoticed of [false, true, false, true]) {
      const seen = reader.events.length
      await writer.kill('SIGKILL')
      if (isNoticed) await reader.event('peer', ({ state }) => state === 'disconnected', seen)
      const text = `version ${seen}`
      change(text)
      await timed(t, `from the start of the source to the file, ${isNoticed ? 'noticed' : 'at once'}`, async () => {
        writer = await share()
        await arrives(mirror, text)
      })
    }
    t.is((await reader.event('peer')).transport, 'udx')
  })

  namespaceTest(`${where} they continue after a cable was unplugged`, async (t) => {
    const { dht, a, b, share, clone, mirror, change } = await openScene<Hosts>(t, hosts(t))
    await dht()
    const writer = await share()
    const reader = clone(writer.key)
    await arrives(mirror, 'first')
    for (const host of [a, b]) {
      const seen = reader.events.length
      host.cable(false)
      await reader.event('peer', ({ state }) => state === 'disconnected', seen)
      const text = `version ${seen}`
      change(text)
      host.cable(true)
      await timed(t, `from the cable of ${host === a ? 'the source' : 'the reader'} to the file`, () =>
        arrives(mirror, text)
      )
    }
    t.pass()
  })
}

namespaceTest('a reader that started first finds the source through the DHT', async (t) => {
  const { dht, share, clone, mirror } = await openScene(t, onLan(t))
  await dht()
  const first = await share()
  await first.kill('SIGTERM')
  const reader = clone(first.key)
  await reader.event('notice', isAlone)
  await timed(t, 'from the start of the source to the file', async () => {
    await share()
    await arrives(mirror, 'first')
  })
  t.pass()
})

for (const who of ['source', 'reader'] as const) {
  namespaceTest(`a ${who} that starts without a network connects when there is one`, async (t) => {
    const { a, b, dht, share, clone, mirror } = await openScene(t, onLan(t))
    const host = who === 'source' ? a : b
    await dht()
    host.cable(false)
    const writer = await share()
    const reader = clone(writer.key)
    const { message } = await reader.event('notice', isAlone)
    t.is(message.includes("The DHT can't be reached"), who === 'reader', message)
    host.cable(true)
    await timed(t, 'from the cable to the file', () => arrives(mirror, 'first'))
  })
}

namespaceTest('peers that start before the DHT connect when it starts, and stay connected when it stops', async (t) => {
  const { dht, share, clone, mirror, change } = await openScene(t, onLan(t))
  const writer = await share()
  const reader = clone(writer.key)
  const { message } = await reader.event('notice', isAlone)
  t.ok(message.includes("The DHT can't be reached"), message)
  const nodes = await dht()
  await timed(t, 'from the DHT to the file', () => arrives(mirror, 'first'))
  await nodes.kill('SIGKILL')
  change('second')
  await arrives(mirror, 'second')
})

namespaceTest('connected peers announce themselves anew to a restarted, empty DHT', async (t) => {
  const { c, dht, share, clone, mirror } = await openScene(t, onLan(t))
  const nodes = await dht()
  const writer = await share()
  const reader = clone(writer.key)
  await reader.event('in-sync')
  // They do so soon after their start in any case.
  const haveAsked = () => [writer, reader].every(({ stderr }) => stderr.includes('refreshes'))
  await until(haveAsked, { what: 'both to ask the DHT a second time' })
  await nodes.kill('SIGKILL')
  await dht()
  const other = `${mirror} 2`
  await timed(t, 'from the start of another reader to its file', async () => {
    clone(writer.key, other, c)
    await arrives(other, 'first')
  })
  t.ok(writer.running && reader.running)
})

namespaceTest('readers receive changes from each other while the writer is off', async (t) => {
  const { c, dht, share, clone, source, mirror, change } = await openScene(t, onLan(t))
  await dht()
  for (let i = 0; i < 8; i++) writeFileSync(join(source, `file ${i}`), randomBytes(500_000))
  const writer = await share()
  const [first, second] = [mirror, `${mirror} 2`]
  const one = clone(writer.key, first)
  const other = clone(writer.key, second, c)
  await Promise.all([one.event('in-sync'), other.event('in-sync')])
  // Only one of them receives the change from the writer, and passes it on.
  await other.kill('SIGTERM')
  change('second')
  writeFileSync(join(source, 'file 0'), randomBytes(500_000))
  await arrives(first, 'second')
  await waitUntilEqual(t, source, first)
  await writer.kill('SIGTERM')
  await timed(t, 'from the start of the other reader to the file', async () => {
    clone(writer.key, second, c)
    await arrives(second, 'second')
  })
  await waitUntilEqual(t, source, second)
})
