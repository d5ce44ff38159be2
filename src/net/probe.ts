import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, isIPv4 } from 'node:net'
import DHT, { type Reply } from 'hyperdht'
import makeMdns, { type MulticastDNS } from 'multicast-dns'
import { attendedClock } from '../attended-clock.ts'
import { messageOf, systemCode } from '../errors.ts'
import { type Address, showAddress } from './address/address.ts'
import { Interfaces, type LocalAddress } from './address/interfaces.ts'
import { localHostTowards } from './address/route.ts'

/** What was found out about a DHT by its first nodes. */
export interface DhtFacts {
  readonly nodes: readonly {
    readonly node: string
    /** Until it answered, in milliseconds; `undefined` where it didn't, and then why, where that is known. */
    readonly rttMs?: number
    readonly reason?: string
  }[]
  /** As whom different nodes see one socket of ours, one each. */
  readonly seenAs: readonly Address[]
  /** Whether packets come through that nobody was waiting for. */
  readonly open: boolean
}

/** What became of a packet to all on the network of an interface. */
export interface MulticastFacts {
  readonly interface: string
  /** Our own packet came back. */
  readonly heard: boolean
  /** Other machines that answered. */
  readonly others: number
  readonly reason?: string
}

export interface UdpFacts {
  /** The address from which packets leave for the DHT, or for far away where there is none. */
  readonly from?: string
  /** The system's error code, or what happened, where no packet can leave. */
  readonly reason?: string
}

/** Any address far away: only the way there is looked up, and nothing is sent. */
const farAway: Address = { host: '192.0.2.1', port: 9 }
/** A network address translator is known by what some nodes say. */
const samplesMax = 8
/** How long machines on a local network have to answer. */
const answersMs = 1000
const closeMsMax = 300

/** The nodes that are asked where none are named. */
export function publicNodes(): readonly Address[] {
  return DHT.BOOTSTRAP.map((text) => {
    const [, address, port] = /^([^@]+)(?:@.*)?:(\d+)$/.exec(text) ?? []
    return { host: address ?? text, port: Number(port) }
  })
}

/** Whether a UDP socket works, and from which address packets leave. Nothing leaves this machine. */
export async function probeUdp(nodes: readonly Address[]): Promise<UdpFacts> {
  try {
    await sendToSelf()
    // Of a name nothing is known yet, and the way far away is the likely one.
    return { from: await localHostTowards(nodes.find(({ host }) => isIPv4(host)) ?? farAway) }
  } catch (error) {
    return { reason: systemCode(error) ?? messageOf(error) }
  }
}

async function sendToSelf(): Promise<void> {
  const socket = createSocket('udp4')
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const arrived = once(socket, 'message', { signal: attendedClock.timeout(answersMs) })
    socket.send('p2psync', socket.address().port, '127.0.0.1')
    await arrived.catch(() => {
      throw new Error('a packet that this machine sent to itself did not arrive')
    })
  } finally {
    socket.close()
  }
}

/** Asks the first nodes of a DHT, and as whom they and others see this machine. Takes no longer than `msMax`. */
export async function probeDht(nodes: readonly Address[], msMax: number): Promise<DhtFacts> {
  const signal = attendedClock.timeout(msMax)
  const addresses = await Promise.all(nodes.map((node) => resolved(node, signal)))
  const bootstrap = addresses.filter((address) => address !== undefined)
  const dht = new DHT({ bootstrap })
  try {
    const replies = await Promise.all(
      addresses.map((address) => (address === undefined ? undefined : ping(dht, address, signal)))
    )
    const answered = replies.filter((reply) => reply !== undefined)
    if (answered.length > 0) await inTime(dht.fullyBootstrapped(), signal)
    const known = dht.toArray().filter((node) => !answered.some(({ from }) => isSame(from, node)))
    const ask = (node: Address) => ping(dht, node, signal)
    // Those that have answered once more: the first time, all was still being set up.
    const [again, others] = await Promise.all([
      Promise.all(answered.map(({ from }) => ask(from))),
      Promise.all(known.slice(0, samplesMax).map(ask))
    ])
    const rttMsOf = (reply: Reply) =>
      Math.min(
        reply.rtt,
        again.find((later) => later !== undefined && isSame(later.from, reply.from))?.rtt ?? reply.rtt
      )
    return {
      nodes: nodes.map((node, i) => {
        const reply = replies[i]
        return {
          node: showAddress(node),
          ...(reply === undefined ? {} : { rttMs: rttMsOf(reply) }),
          ...(addresses[i] === undefined ? { reason: 'its name is not known' } : {})
        }
      }),
      // Of one socket, those asked at one time: once it turns out that packets get in, the node takes another.
      seenAs: [...again, ...others].filter((reply) => reply !== undefined).map(({ to }) => to),
      open: !dht.firewalled
    }
  } finally {
    await inTime(dht.destroy({ force: true }), attendedClock.timeout(closeMsMax))
  }
}

function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

async function resolved({ host, port }: Address, signal: AbortSignal): Promise<Address | undefined> {
  if (isIPv4(host)) return { host, port }
  const found = await inTime(lookup(host, { family: 4 }), signal)
  return found === undefined ? undefined : { host: found.address, port }
}

function ping(dht: DHT, node: Address, signal: AbortSignal): Promise<Reply | undefined> {
  return inTime(dht.ping(node), signal)
}

/** What comes of `work`; `undefined` when it fails, or isn't done in time. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const late = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  return Promise.race([work.catch(() => undefined), late])
}

/** Calls all machines on each network of this one, and listens for itself and for them. */
export async function probeMulticast(): Promise<readonly MulticastFacts[]> {
  const interfaces = new Interfaces()
  const addresses = interfaces.addresses.filter(({ internal }) => !internal)
  interfaces.close()
  const own = new Set(addresses.map(({ host }) => host))
  // One of each kind and interface is enough; of IPv6, the address that is for the local network.
  const chosen = addresses.filter(({ family, host }) => family === 'IPv4' || host.startsWith('fe80:'))
  const perInterface = new Map(chosen.map((address) => [`${address.name} ${address.family}`, address]))
  return Promise.all([...perInterface.values()].map((address) => callOn(address, own)))
}

async function callOn(address: LocalAddress, own: ReadonlySet<string>): Promise<MulticastFacts> {
  const { name, host } = address
  const what = { interface: `${name} (${host})`, heard: false, others: 0 }
  // Nobody else asks for this, so who hears it hears us.
  const token = `p2psync-doctor-${randomBytes(8).toString('hex')}.local`
  const others = new Set<string>()
  let heard: (() => void) | undefined
  const echo = new Promise<void>((resolve) => {
    heard = resolve
  })
  let mdns: MulticastDNS | undefined
  try {
    mdns = socketOn(address)
    const failed = once(mdns, 'error').then(([error]) => Promise.reject(error))
    failed.catch(() => {}) // The race may be over.
    mdns.on('query', ({ questions }) => {
      if (questions?.some((question) => question.name === token)) heard?.()
    })
    mdns.on('response', (_, rinfo) => {
      const [from = ''] = rinfo.address.split('%')
      if (!own.has(from)) others.add(from)
    })
    await Promise.race([once(mdns, 'ready'), failed])
    const sent = ask(mdns, [token, '_p2psync._tcp.local', '_services._dns-sd._udp.local'])
    const answers = new Promise<void>((resolve) => void attendedClock.after(answersMs, resolve))
    await Promise.race([sent, failed])
    const isHeard = await Promise.race([echo.then(() => true), failed, answers.then(() => false)])
    await answers
    return { ...what, heard: isHeard, others: others.size }
  } catch (error) {
    return { ...what, reason: messageOf(error) }
  } finally {
    mdns?.destroy()
  }
}

function ask(mdns: MulticastDNS, names: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const questions = names.map((name) => ({ name, type: 'PTR' as const }))
    mdns.query(questions, (error) => (error ? reject(error) : resolve()))
  })
}

function socketOn({ name, host, family }: LocalAddress): MulticastDNS {
  return family === 'IPv4'
    ? makeMdns({ interface: host, bind: '0.0.0.0' })
    : makeMdns({ type: 'udp6', ip: 'ff02::fb', interface: `::%${name}`, bind: '::' })
}

/** Opens a TCP port, any when left out. @returns the system's error code where it can't */
export async function probeTcpPort(port = 0): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen(port)
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return systemCode(error) ?? messageOf(error)
  } finally {
    server.close()
  }
}
