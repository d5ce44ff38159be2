import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Assert } from 'brittle'
import type { Address } from '../../../src/net/address/address.ts'
import { type Host, namespaceTest, openLan } from '../../support/namespaces.ts'
import { until } from '../../support/until.ts'

const id = '0123456789abcdef0123456789abcdef'
const [keyA, keyB, keyC] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
/** Less than the TTL of records, 120 s, after which a peer is forgotten without a goodbye. */
const goodbyeMsMax = 100_000

interface LanStatus {
  readonly heard: boolean
  readonly working: boolean
  readonly rssMb: number
}

/** A peer in a separate process on a host, with its reports. */
class LanPeer {
  /** All reports, in order. */
  readonly reports: { readonly peer: string; readonly addresses: readonly Address[] }[] = []
  /** The addresses of each known peer. */
  readonly known = new Map<string, readonly Address[]>()
  closed = false
  stderr = ''
  #status: LanStatus | undefined
  readonly #child: ChildProcess

  constructor(host: Host, publicKey: string, { folder = id, port = 4000 } = {}) {
    const script = join(import.meta.dirname, '../../support/lan-peer.js')
    this.#child = host.spawn([process.execPath, script, folder, publicKey, String(port)])
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data
    })
    const { stdout } = this.#child
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.#onLine(JSON.parse(line)))
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async knows(publicKey: string, isIt: (addresses: readonly Address[]) => boolean = () => true): Promise<void> {
    const isDone = () => {
      const addresses = this.known.get(publicKey)
      return this.ended || (addresses !== undefined && isIt(addresses))
    }
    await until(isDone, { what: `${publicKey}; known are ${JSON.stringify([...this.known])}` })
    if (this.ended) throw new Error(`The peer ended: ${this.stderr}`)
  }

  async forgets(publicKey: string): Promise<void> {
    await until(() => !this.known.has(publicKey), { what: `the goodbye of ${publicKey}`, ms: goodbyeMsMax })
  }

  async status(): Promise<LanStatus> {
    this.#status = undefined
    this.#child.stdin?.write('\n')
    return until(() => this.#status, { what: `an answer\n${this.stderr}` })
  }

  /** Makes it say goodbye; resolves when its process has ended by itself. */
  async leave(): Promise<void> {
    this.#child.stdin?.end()
    await until(() => this.ended, { what: 'the process to end' })
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await until(() => this.ended, { what: 'the process to end' })
  }

  #onLine(line: Record<string, unknown>): void {
    if ('closed' in line) this.closed = true
    else if ('working' in line) this.#status = line as unknown as LanStatus
    else {
      const report = line as unknown as (typeof this.reports)[number]
      this.reports.push(report)
      if (report.addresses.length === 0) this.known.delete(report.peer)
      else this.known.set(report.peer, report.addresses)
    }
  }
}

const isAt =
  (host: string, port = 4000) =>
  (addresses: readonly Address[]) =>
    addresses.some((address) => address.host === host && address.port === port)
const isLinkLocal = (addresses: readonly Address[]) =>
  addresses.some(({ host, port }) => /^fe80:.*%eth0$/.test(host) && port === 4000)

/** Known by IPv4 and IPv6; the kernel needs a second or two for IPv6. */
const isBoth = (addresses: readonly Address[]) => addresses.length === 2

function noise(host: Host, ...args: readonly string[]): ChildProcess {
  return host.spawn([process.execPath, join(import.meta.dirname, '../../support/lan-noise.js'), host.address, ...args])
}

async function makeNoise(host: Host, ...args: readonly string[]): Promise<void> {
  const child = noise(host, ...args)
  await until(() => child.exitCode !== null, { what: 'the noise' })
  if (child.exitCode !== 0) throw new Error('The noise process failed')
}

function hostsOf(t: Assert, count: number): readonly [Host, Host, ...Host[]] {
  return openLan(t, count) as [Host, Host, ...Host[]]
}

namespaceTest('peers of one folder find each other and nobody else', async (t) => {
  const [a, b, c] = hostsOf(t, 3) as [Host, Host, Host]
  const peers = [new LanPeer(a, keyA), new LanPeer(b, keyB, { port: 4001 })] as const
  const stranger = new LanPeer(c, keyC, { folder: 'f'.repeat(32) })
  await Promise.all([peers[0].knows(keyB, isAt(b.address, 4001)), peers[1].knows(keyA, isAt(a.address))])
  // By then the stranger has received packets of the others, and they of it.
  await Promise.all([
    peers[0].knows(keyB, isBoth),
    until(async () => (await stranger.status()).heard, { what: 'them' })
  ])
  t.alike([...peers[0].known.keys()], [keyB], 'not itself')
  t.is(stranger.known.size, 0)
  const { heard, working } = await peers[0].status()
  t.ok(heard && working)
})

namespaceTest('a lone peer hears nobody, and reports whether it can send', async (t) => {
  const [a] = hostsOf(t, 2)
  const peer = new LanPeer(a, keyA)
  await until(async () => (await peer.status()).working, { what: 'a packet that is sent' })
  t.absent((await peer.status()).heard, 'its own packets do not count as heard')
  a.cable(false)
  await until(async () => !(await peer.status()).working, { what: 'no interface' })
  t.pass('it can not without a cable')
})

namespaceTest('peers find each other by IPv6 alone', async (t) => {
  const [a, b] = hostsOf(t, 2)
  a.removeAddress()
  b.removeAddress()
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(b, keyB)]
  await Promise.all([one.knows(keyB, isLinkLocal), other.knows(keyA, isLinkLocal)])
  t.ok(
    [...(one.known.get(keyB) ?? [])].every(({ host }) => host.startsWith('fe80:')),
    'link-local addresses only'
  )
})

namespaceTest('two processes of one machine find each other', async (t) => {
  const [a] = hostsOf(t, 2)
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(a, keyB, { port: 4001 })]
  await Promise.all([one.knows(keyB, isAt(a.address, 4001)), other.knows(keyA, isAt(a.address))])
  t.pass()
})

namespaceTest('peers find each other again after an outage', async (t) => {
  const [a, b] = hostsOf(t, 2)
  b.cable(false)
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(b, keyB)]
  await until(async () => (await one.status()).working, { what: 'a packet that is sent' })
  t.is(one.known.size + other.known.size, 0, 'nobody is found while the cable is out')
  b.cable(true)
  await Promise.all([one.knows(keyB, isBoth), other.knows(keyA, isBoth)])
  b.cable(false)
  await until(async () => !(await other.status()).working, { what: 'the detection of the pulled cable' })
  const before = [one.reports.length, other.reports.length] as const
  b.cable(true)
  const again = (peer: LanPeer, from: number) => peer.reports.slice(from).some(({ addresses }) => addresses.length > 0)
  await until(() => again(one, before[0]) && again(other, before[1]), { what: 'both to be reported again' })
  t.pass('both are reported again, though nothing has changed')
})

namespaceTest('a peer is found at its new address', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(b, keyB)]
  await Promise.all([one.knows(keyB), other.knows(keyA)])
  b.readdress('10.77.0.99')
  await one.knows(keyB, isAt('10.77.0.99'))
  t.is(
    one.known.get(keyB)?.some(({ host }) => host === '10.77.0.99'),
    true
  )
})

namespaceTest('a peer that says goodbye is forgotten at once, and its process ends', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(b, keyB)]
  await Promise.all([one.knows(keyB, isBoth), other.knows(keyA)])
  await other.leave()
  t.ok(other.closed)
  await one.forgets(keyB)
  t.pass()
})

namespaceTest('a peer that was killed and restarted is found at its new port', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const [one, other] = [new LanPeer(a, keyA), new LanPeer(b, keyB)]
  await Promise.all([one.knows(keyB), other.knows(keyA)])
  await other.kill()
  new LanPeer(b, keyB, { port: 4002 })
  await one.knows(keyB, (addresses) => addresses[0]?.port === 4002)
  t.pass('the new port comes first')
})

namespaceTest('garbage packets are ignored', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const one = new LanPeer(a, keyA)
  await until(async () => (await one.status()).working, { what: 'a packet that is sent' })
  await makeNoise(b, 'garbage')
  const other = new LanPeer(b, keyB)
  await Promise.all([one.knows(keyB), other.knows(keyA)])
  t.alike([...one.known.keys()], [keyB])
  t.is(one.stderr, '')
})

namespaceTest('a thousand faked peers take bounded memory', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const one = new LanPeer(a, keyA)
  await until(async () => (await one.status()).working, { what: 'a packet that is sent' })
  const { rssMb } = await one.status()
  await makeNoise(b, 'peers', id, '1000')
  const after = await one.status()
  t.ok(one.reports.length > 256, `${one.reports.length} reports`)
  t.ok(one.known.size <= 256, `${one.known.size} remembered`)
  t.ok(after.rssMb - rssMb < 50, `${Math.round(after.rssMb - rssMb)} MB more`)
  const other = new LanPeer(b, keyB)
  await Promise.all([one.knows(keyB), other.knows(keyA)])
  t.pass('a real peer is still found')
})

namespaceTest('packets contain the id, the public key and the port, and no name', async (t) => {
  const [a, b] = hostsOf(t, 2)
  const heard = new Set<string>()
  const listener = noise(b, 'listen')
  if (listener.stdout === null) return t.fail('no stdout')
  createInterface({ input: listener.stdout }).on('line', (line) => heard.add(line))
  await until(() => heard.has('listening'), { what: 'a listener' })
  const one = new LanPeer(a, keyA, { port: 4001 })
  await until(() => heard.has(`pk=${keyA}`), { what: 'an announcement' })
  await one.leave()
  const instance = `${id}-${keyA.slice(0, 16)}._p2psync._tcp.local`
  const all = ['listening', '_p2psync._tcp.local', instance, `${keyA.slice(0, 16)}.local`]
  t.alike([...heard].sort(), [...all, 'v=1', `id=${id}`, `pk=${keyA}`, '0', '4001'].sort())
})
