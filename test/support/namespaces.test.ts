import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hangMs } from '../support/hang.ts'
import { startClone, startShare } from './cli.ts'
import { type Host, namespaceTest, openLan, openNat, startDht } from './namespaces.ts'
import { until } from './until.ts'

const port = 7000
/** Echoes packets, and reports when it listens. */
const echo = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (data, { port, address }) => socket.send(data, port, address))
  socket.bind(${port}, () => console.log('listening'))`
/** Sends repeatedly from its port, and prints the address of the first answer. */
const ask = (host: string, from: number) => `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('error', () => {})
  socket.once('message', (data, { address, port }) => { console.log(address + ':' + port); process.exit() })
  socket.bind(${from}, () => setInterval(() => socket.send('how are you', ${port}, '${host}', () => {}), 20))`

/** The processes that the tests started, by host. */
const left: { readonly name: string; readonly pid: number | undefined }[] = []

async function startEcho(host: Host): Promise<void> {
  const child = host.spawn([process.execPath, '-e', echo])
  let output = ''
  left.push({ name: host.name, pid: child.pid })
  child.stdout?.on('data', (data: Buffer) => {
    output += data
  })
  await until(() => output.includes('listening'), { what: 'the echo' })
}

/** Whether a host that echoes answers within `ms`. */
async function reaches(from: Host, to: string, { ms = hangMs, port: local = 0 } = {}): Promise<boolean> {
  const child = from.spawn([process.execPath, '-e', ask(to, local)])
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  await ended
  clearTimeout(timer)
  return child.exitCode === 0
}

/** Silence after which a test concludes that no packet can arrive, in milliseconds. */
const silenceMs = 1000

namespaceTest('hosts of a LAN reach each other unless a cable is unplugged', async (t) => {
  const [a, b] = openLan(t, 2) as [Host, Host]
  await startEcho(b)
  t.ok(await reaches(a, b.address))
  b.cable(false)
  t.absent(await reaches(a, b.address, { ms: silenceMs }), 'unplugged')
  b.cable(true)
  t.ok(await reaches(a, b.address), 'plugged in again')
  const before = b.address
  b.readdress('10.77.0.99')
  t.is(b.address, '10.77.0.99')
  t.ok(await reaches(a, b.address), 'reachable at its new address')
  t.absent(await reaches(a, before, { ms: silenceMs }), 'unreachable at the old address')
  t.absent(a.run('ip', 'route').includes('default'), 'no default route')
})

namespaceTest('the packets of a host are captured', async (t) => {
  const [a, b] = openLan(t, 2) as [Host, Host]
  const file = join(await t.tmp(), 'packets')
  const stop = await a.capture(file)
  if (stop === undefined) return t.comment('no tcpdump')
  await startEcho(b)
  await reaches(a, b.address)
  await stop()
  t.ok(readFileSync(file).includes('how are you'), 'the packets are in the file')
})

for (const kind of ['full-cone', 'port-restricted'] as const) {
  namespaceTest(`${kind} NAT lets packets out and in according to its kind`, async (t) => {
    const { outside, inside, boxes } = openNat(t, { kind })
    const [a, b] = inside
    await Promise.all([startEcho(outside), startEcho(a)])
    t.ok(await reaches(b, outside.address), 'the outside is reachable')
    t.is(await reaches(outside, boxes[0], { ms: kind === 'full-cone' ? hangMs : silenceMs }), kind === 'full-cone')
    t.absent(await reaches(outside, a.address, { ms: silenceMs }), 'the host behind NAT is unreachable from outside')
    t.absent(await reaches(b, a.address, { ms: silenceMs }), 'and from the other home')
  })
}

namespaceTest('two hosts can share a NAT', async (t) => {
  const { outside, inside, boxes } = openNat(t, { kind: 'port-restricted', shared: true })
  const [a, b] = inside
  await Promise.all([startEcho(outside), startEcho(a)])
  t.is(boxes[0], boxes[1])
  t.ok(await reaches(b, a.address), 'the other host behind the box is reachable')
  t.ok(await reaches(b, outside.address), 'the outside is reachable')
})

namespaceTest('a command runs on a host, and is killed with its namespace', async (t) => {
  const [a, b] = openLan(t, 2) as [Host, Host]
  const bootstrap = await startDht(a)
  const [from, to] = [await t.tmp(), await t.tmp()]
  const share = await startShare(t, from, { host: a, bootstrap })
  t.ok(
    a.run('ip', 'netns', 'identify', String(share.pid)).includes(a.name),
    'the process id is that of the command itself'
  )
  const clone = startClone(t, share.key, to, { host: b, bootstrap, args: ['--once'] })
  t.is(await clone.exit(), 0, clone.stderr)
})

namespaceTest(
  'the processes and hosts of the tests above are gone',
  async (t) => {
    t.ok(left.length > 0)
    for (const { name, pid } of left) {
      t.absent(existsSync(`/run/netns/${name}`), name)
      await until(() => !existsSync(`/proc/${pid}`), { what: `the end of ${pid}` })
    }
  },
  { byItself: true }
)
