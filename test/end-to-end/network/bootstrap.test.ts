import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, type StartOptions, start, startClone, startShare } from '../../support/cli.ts'
import { type Host, namespaceTest, openLan } from '../../support/namespaces.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'
import { freeUdpPorts, takeUdpPort } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

/** Starts `bootstrap` and waits until it prints the address `first`. */
async function startBootstrap(
  t: Assert,
  args: readonly string[],
  first: string,
  options: StartOptions = {}
): Promise<Command> {
  const command = start(t, ['bootstrap', ...args], options)
  await waitForOutput(command, first)
  return command
}

async function waitForOutput(command: Command, address: string): Promise<void> {
  const isPrinted = () => command.stdout.split('\n').includes(address) || !command.running
  await until(isPrinted, { what: `${address}\n${command.stderr}` })
}

/** Shares a folder and clones it once. */
async function shareAndClone(t: Assert, source: StartOptions, mirror: StartOptions): Promise<void> {
  const [from, to] = [await t.tmp(), await t.tmp()]
  writeFileSync(join(from, 'file'), 'content')
  const writer = await startShare(t, from, source)
  const reader = startClone(t, writer.key, to, { ...mirror, args: ['--once'] })
  t.is(await reader.exit(), 0)
  await waitUntilEqual(t, from, to)
  await writer.kill('SIGTERM')
}

test('share and clone find each other through a private DHT', async (t) => {
  const port = await freeUdpPorts(5)
  const address = `127.0.0.1:${port}`
  const dht = await startBootstrap(t, ['--host', '127.0.0.1', '--port', String(port)], address)
  await shareAndClone(t, { bootstrap: address }, { bootstrap: address })
  t.is(dht.stdout, `${address}\n`, 'its address is the only line on stdout')
  matches(t, dht.stderr, new RegExp(`UDP ports ${port} to ${port + 4}.*share <dir> --bootstrap ${address}`, 's'))
  t.is(await dht.kill('SIGTERM'), 130)

  const again = start(t, ['bootstrap', '--host', '127.0.0.1', '--port', String(port), '--json'])
  await until(() => again.stdout !== '', { what: 'the address' })
  t.alike(JSON.parse(again.stdout), {
    type: 'bootstrap',
    addresses: [address],
    ports: { first: port, last: port + 4 }
  })
  t.is(again.stderr, '')
  t.is(await again.kill('SIGINT'), 130)
})

test('bootstrap names the port in use, whichever of the five it is', async (t) => {
  const port = await freeUdpPorts(5)
  for (const taken of [port, port + 3]) {
    const holder = await takeUdpPort(taken)
    const command = start(t, ['bootstrap', '--host', '127.0.0.1', '--port', String(port), '--json'])
    t.is(await command.exit(), 1)
    matches(
      t,
      command.stderr,
      new RegExp(`UDP port ${taken} is in use.*ports ${port} to ${port + 4} .*\\[PORT_IN_USE\\]\n$`)
    )
    t.absent(/\n\s+at /.test(command.stderr), 'no stack trace')
    t.is((JSON.parse(command.stdout) as { code: string }).code, 'PORT_IN_USE')
    holder.close()
  }
})

/** Invalid options and the expected messages. */
const mistakes: ReadonlyArray<[args: readonly string[], message: RegExp]> = [
  [['--port', '0'], /Give a port from 1 to 65535/],
  [['--port', '12ab'], /Give a port/],
  [['--port', '65532'], /5 ports in a row are needed, so it must be from 1 to 65531/],
  [['--host', 'nas.local'], /"nas.local" is not an IPv4 address/],
  [['--host', '0.0.0.0'], /"0.0.0.0" is not an IPv4 address of one machine/],
  [['--host', '198.51.100.77'], /198.51.100.77 is not an address of this machine/]
]
for (const [args, message] of mistakes) {
  test(`bootstrap refuses ${args.join(' ')}`, async (t) => {
    const command = start(t, ['bootstrap', ...args])
    t.is(await command.exit(), 2)
    matches(t, command.stderr, message)
    t.is(command.stdout, '')
  })
}

namespaceTest('machines find each other through a private DHT on one of them', async (t) => {
  const [nas, laptop] = openLan(t, 2) as [Host, Host]
  const dht = await startBootstrap(t, [], '127.0.0.1:49737', { host: nas })
  t.is(dht.stdout, '10.77.0.1:49737\n127.0.0.1:49737\n', 'loopback comes last')
  // The machine itself can use loopback, the others can't.
  await shareAndClone(t, { host: nas, bootstrap: '127.0.0.1:49737' }, { host: laptop, bootstrap: '10.77.0.1:49737' })
})

namespaceTest('a private DHT moves to the new address of its machine', async (t) => {
  const [nas, laptop] = openLan(t, 2) as [Host, Host]
  nas.removeAddress()
  // As on a machine that boots faster than its network.
  const dht = await startBootstrap(t, [], '127.0.0.1:49737', { host: nas })
  t.is(dht.stdout, '127.0.0.1:49737\n')
  nas.run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'eth0')
  await waitForOutput(dht, '10.77.0.1:49737')
  await shareAndClone(t, { host: nas, bootstrap: '10.77.0.1:49737' }, { host: laptop, bootstrap: '10.77.0.1:49737' })
  for (const [machine, number] of [
    [nas, 1],
    [laptop, 2]
  ] as const) {
    machine.run('ip', 'address', 'flush', 'dev', 'eth0', 'scope', 'global')
    machine.run('ip', 'address', 'add', `10.78.0.${number}/24`, 'dev', 'eth0')
  }
  await waitForOutput(dht, '10.78.0.1:49737')
  await shareAndClone(t, { host: nas, bootstrap: '127.0.0.1:49737' }, { host: laptop, bootstrap: '10.78.0.1:49737' })
})
