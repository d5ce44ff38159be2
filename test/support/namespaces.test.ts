import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hangMs } from '../support/hang.ts'
import { startClone, startShare } from './cli.ts'
import { type Host, namespaceTest, openLan, openNat, startDht } from './namespaces.ts'
import { until } from './until.ts'

const port = 7000
/** Sends back what comes, and says when it listens. */
const echo = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (data, { port, address }) => socket.send(data, port, address))
  socket.bind(${port}, () => console.log('listening'))`
/** Asks again and again from its port, and says who has answered. */
const ask = (host: string, from: number) => `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('error', () => {})
  socket.once('message', (data, { address, port }) => { console.log(address + ':' + port); process.exit() })
  socket.bind(${from}, () => setInterval(() => socket.send('how are you', ${port}, '${host}', () => {}), 20))`

/** What ran on which host. */
const left: { readonly name: string; readonly pid: number | undefined }[] = []

async function startEcho(host: Host): Promise<void> {
  const child = host.spawn([process.execPath, '-e', echo])
  let said = ''
  left.push({ name: host.name, pid: child.pid })
  child.stdout?.on('data', (data: Buffer) => {
    said += data
  })
  await until(() => said.includes('listening'), { what: 'the echo' })
}

/** Whether an answer comes from a host that echoes, within `ms`. */
async function reaches(from: Host, to: string, { ms = hangMs, port: local = 0 } = {}): Promise<boolean> {
  const child = from.spawn([process.execPath, '-e', ask(to, local)])
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  await ended
  clearTimeout(timer)
  return child.exitCode === 0
}

/** How long nothing must come before a test believes that nothing can. */
const silenceMs = 1000

namespaceTest('hosts of a LAN reach each other, unless the cable is out', async (t) => {
  const [a, b] = openLan(t, 2) as [Host, Host]
  await startEcho(b)
  t.ok(await reaches(a, b.address))
  b.cable(false)
  t.absent(await reaches(a, b.address, { ms: silenceMs }), 'out')
  b.cable(true)
  t.ok(await reaches(a, b.address), 'in again')
  const before = b.address
  b.readdress('10.77.0.99')
  t.is(b.address, '10.77.0.99')
  t.ok(await reaches(a, b.address), 'at its new address')
  t.absent(await reaches(a, before, { ms: silenceMs }), 'not at the old one')
  t.absent(a.run('ip', 'route').includes('default'), 'no way out')
})

namespaceTest('what a host sends is captured', async (t) => {
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
  namespaceTest(`${kind} NAT lets out what it should, and in`, async (t) => {
    const { outside, inside, boxes } = openNat(t, { kind })
    const [a, b] = inside
    await Promise.all([startEcho(outside), startEcho(a)])
    t.ok(await reaches(b, outside.address), 'out')
    t.is(await reaches(outside, boxes[0], { ms: kind === 'full-cone' ? hangMs : silenceMs }), kind === 'full-cone')
    t.absent(await reaches(outside, a.address, { ms: silenceMs }), 'nobody outside knows the way in')
    t.absent(await reaches(b, a.address, { ms: silenceMs }), 'nor does the other home')
  })
}

namespaceTest('two hosts may share a NAT', async (t) => {
  const { outside, inside, boxes } = openNat(t, { kind: 'port-restricted', shared: true })
  const [a, b] = inside
  await Promise.all([startEcho(outside), startEcho(a)])
  t.is(boxes[0], boxes[1])
  t.ok(await reaches(b, a.address), 'the other inside')
  t.ok(await reaches(b, outside.address), 'out')
})

namespaceTest('a command runs on a host, and ends with its namespace', async (t) => {
  const [a, b] = openLan(t, 2) as [Host, Host]
  const bootstrap = await startDht(a)
  const [from, to] = [await t.tmp(), await t.tmp()]
  const share = await startShare(t, from, { host: a, bootstrap })
  t.ok(a.run('ip', 'netns', 'identify', String(share.pid)).includes(a.name), 'its process id is its own')
  const clone = startClone(t, share.key, to, { host: b, bootstrap, args: ['--once'] })
  t.is(await clone.exit(), 0, clone.stderr)
})

namespaceTest(
  'what the tests above have left running is gone, and so are their hosts',
  async (t) => {
    t.ok(left.length > 0)
    for (const { name, pid } of left) {
      t.absent(existsSync(`/run/netns/${name}`), name)
      await until(() => !existsSync(`/proc/${pid}`), { what: `the end of ${pid}` })
    }
  },
  { byItself: true }
)
