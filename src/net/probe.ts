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

/** Facts about a DHT, as learnt from its first nodes. */
export interface DhtFacts {
  readonly nodes: readonly {
    readonly node: string
    /** The round trip in milliseconds; `undefined` if it didn't answer. */
    readonly rttMs?: number
    /** Why it didn't answer, if known. */
    readonly reason?: string
  }[]
  /** The address of one local socket as each of several nodes sees it. */
  readonly seenAs: readonly Address[]
  /** Whether unsolicited packets get through. */
  readonly open: boolean
}

/** The result of a multicast packet on the network of an interface. */
export interface MulticastFacts {
  readonly interface: string
  /** Whether our own packet came back. */
  readonly heard: boolean
  /** The number of other machines that answered. */
  readonly others: number
  readonly reason?: string
}

export interface UdpFacts {
  /** The local address from which packets leave for the DHT, or for the internet without one. */
  readonly from?: string
  /** The system's error code or a description, if no packet can leave. */
  readonly reason?: string
}

/** An address that stands for the internet (RFC 5737): the kernel looks up the route there, and nothing is sent. */
const internetAddress: Address = { host: '192.0.2.1', port: 9 }
/** The number of nodes to ask how they see this machine: a few suffice to recognise address translation. */
const samplesMax = 8
/** Time for machines on a local network to answer. */
const answersMs = 1000
const closeMsMax = 300

/** The first nodes of the public DHT, the default. */
export function publicNodes(): readonly Address[] {
  return DHT.BOOTSTRAP.map((text) => {
    const [, address, port] = /^([^@]+)(?:@.*)?:(\d+)$/.exec(text) ?? []
    return { host: address ?? text, port: Number(port) }
  })
}

/**
 * Checks that a UDP socket works, and finds the address from which packets leave. Sends nothing beyond this machine.
 */
export async function probeUdp(nodes: readonly Address[]): Promise<UdpFacts> {
  try {
    await sendToSelf()
    // Names aren't resolved yet; their nodes are most likely on the internet.
    return { from: await localHostTowards(nodes.find(({ host }) => isIPv4(host)) ?? internetAddress) }
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

/** Pings the first nodes of a DHT, and asks them and others how they see this machine. Takes at most `msMax`. */
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
    // Ping those that answered once more: the first round trips include setting up the node.
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
      // Only the second round, which used one socket: a node that finds itself open switches to another socket.
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

/** The result of `work`; `undefined` if it fails or `signal` aborts first. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const late = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  return Promise.race([work.catch(() => undefined), late])
}

/** Sends a multicast query on each network of this machine, and listens for its echo and for answers. */
export async function probeMulticast(): Promise<readonly MulticastFacts[]> {
  const interfaces = new Interfaces()
  const addresses = interfaces.addresses.filter(({ internal }) => !internal)
  interfaces.close()
  const own = new Set(addresses.map(({ host }) => host))
  // One address of each family and interface is enough; for IPv6 the link-local one.
  const chosen = addresses.filter(({ family, host }) => family === 'IPv4' || host.startsWith('fe80:'))
  const perInterface = new Map(chosen.map((address) => [`${address.name} ${address.family}`, address]))
  return Promise.all([...perInterface.values()].map((address) => probeMulticastOn(address, own)))
}

async function probeMulticastOn(address: LocalAddress, own: ReadonlySet<string>): Promise<MulticastFacts> {
  const { name, host } = address
  const facts = { interface: `${name} (${host})`, heard: false, others: 0 }
  // Nobody else asks for this name, so a query for it is our own.
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
    failed.catch(() => {}) // An error after the race must not be unhandled.
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
    return { ...facts, heard: isHeard, others: others.size }
  } catch (error) {
    return { ...facts, reason: messageOf(error) }
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

/** Opens a TCP port, any when left out, and closes it. @returns the system's error code if that fails */
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
