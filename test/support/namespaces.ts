import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { test } from './together.ts'
import { until } from './until.ts'

/** Why network namespaces are unavailable, or `false` if they are available. */
const noNamespaces: string | false = whyNot()

/** Whether tests can create hosts: this takes root on Linux. */
export const canNamespaces = noNamespaces === false

/** A test that needs hosts of its own; skipped, with the reason in its name, if hosts are unavailable. */
export function namespaceTest(
  name: string,
  body: (t: Assert) => Promise<void>,
  options: { readonly byItself?: boolean } = {}
): void {
  const why = noNamespaces === false ? '' : ` (${noNamespaces})`
  test(`${name}${why}`, { skip: !canNamespaces, ...options }, body)
}

/** A machine of a test: a network namespace with one interface, `eth0`, and loopback. */
export interface Host {
  /** The name of its namespace. */
  readonly name: string
  /** Its IPv4 address. */
  readonly address: string
  /** The command line that runs a command on this host, under the process id of the spawned process. */
  wrap(command: readonly string[]): string[]
  /** Runs a command to its end. @returns what it wrote to stdout */
  run(...command: readonly string[]): string
  /** Starts a command, which is killed with the test. */
  spawn(command: readonly string[]): ChildProcess
  /** Unplugs the network cable, or plugs it in. The host keeps its addresses, as a machine does. */
  cable(plugged: boolean): void
  /** Replaces its IPv4 address. */
  readdress(address: string): void
  /** Removes its IPv4 address, so that it has only IPv6. */
  removeAddress(): void
  /** Records all its packets in a file. @returns a function that stops recording; `undefined` without tcpdump */
  capture(file: string): Promise<(() => Promise<void>) | undefined>
}

/** Hosts on one network of their own: 10.77.0.1 and so on, with link-local IPv6, and no default route. */
export function openLan(t: Assert, count: number): readonly Host[] {
  const lan = new Switch(t)
  return Array.from({ length: count }, (_, index) => openHost(t, lan, `10.77.0.${index + 1}`))
}

/**
 * The kind of NAT between a host and the outside.
 * - `none`: the host itself is on the outside.
 * - `full-cone`: forwards every packet for its UDP ports to the host inside.
 * - `port-restricted`: lets in only answers from the exact address and port a packet went to.
 * - `symmetric`: the same, and every destination sees another port.
 */
export type NatKind = 'none' | 'full-cone' | 'port-restricted' | 'symmetric'

export interface NatOptions {
  /** One kind for both hosts, or one for each. */
  readonly kind: NatKind | readonly [NatKind, NatKind]
  /** Both hosts behind one box, on one network; otherwise each has a box of its own. */
  readonly shared?: boolean
}

/** Two hosts that reach the outside through NAT, as from two homes. */
export interface Nat {
  /** A host on the outside, to run the DHT. */
  readonly outside: Host
  readonly inside: readonly [Host, Host]
  /** The outer addresses of the boxes in front of the hosts; without a box, the host's own. */
  readonly boxes: readonly [string, string]
  /** Forwards a TCP port of a host's box to the host, as its user would configure it. */
  forward(host: 0 | 1, port: number): void
}

export function openNat(t: Assert, { kind, shared = false }: NatOptions): Nat {
  const [first, second] = typeof kind === 'string' ? [kind, kind] : kind
  if (shared && first === 'full-cone') throw new Error('A full cone leads to one host')
  const internet = new Switch(t)
  const outside = openHost(t, internet, '10.1.0.1')
  const home = openHome(t, internet, 1, first)
  const other = shared ? home : openHome(t, internet, 2, second)
  const inside = [home.host(), other.host()] as const
  return {
    outside,
    inside,
    boxes: [home.address, other.address],
    forward: (host, port) => [home, other][host]?.forward(port, inside[host].address)
  }
}

/** Starts a private DHT of 5 nodes on a host. @returns the address of its first node, `host:port` */
export async function startDht(host: Host): Promise<string> {
  const child = host.spawn([process.execPath, join(import.meta.dirname, 'dht.js'), host.address])
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (data: Buffer) => {
    stdout += data
  })
  child.stderr?.on('data', (data: Buffer) => {
    stderr += data
  })
  await until(() => stdout.includes('\n') || child.exitCode !== null, { what: 'the DHT' })
  if (!stdout.includes('\n')) throw new Error(`The DHT ended: ${stderr}`)
  return stdout.trim()
}

/** After the test's commands have exited, before its directories are removed. */
const teardownOrder = 500
/** Number of namespaces so far, over all tests of this process. */
let count = 0
const open = new Set<string>()
/** An aborted test doesn't run its teardown. */
process.once('exit', () => {
  for (const name of open) removeNamespace(name)
})

/** An empty namespace that lasts until the test ends. @returns its name */
function openNamespace(t: Assert): string {
  const name = `p2psync-${process.pid}-${++count}`
  ip('netns', 'add', name)
  open.add(name)
  t.teardown(() => removeNamespace(name), { order: teardownOrder, force: true })
  ip('-n', name, 'link', 'set', 'lo', 'up')
  return name
}

/** Removes a namespace and kills its processes. */
function removeNamespace(name: string): void {
  if (!open.delete(name)) return
  for (const pid of ip('netns', 'pids', name).split('\n').filter(Boolean)) kill(Number(pid))
  ip('netns', 'del', name)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has exited already.
  }
}

/** Joins hosts to one network: a bridge in a namespace of its own, so that this machine doesn't see it. */
class Switch {
  readonly #namespace: string
  #ports = 0

  constructor(t: Assert) {
    this.#namespace = openNamespace(t)
    ip('-n', this.#namespace, 'link', 'add', 'br0', 'type', 'bridge')
    ip('-n', this.#namespace, 'link', 'set', 'br0', 'up')
  }

  /** Connects a namespace by its interface `name`. @returns a function that unplugs the cable and plugs it in */
  connect(namespace: string, name: string, address: string): (plugged: boolean) => void {
    const port = `port${++this.#ports}`
    const bridge = this.#namespace
    ip('link', 'add', name, 'netns', namespace, 'type', 'veth', 'peer', 'name', port, 'netns', bridge)
    ip('-n', bridge, 'link', 'set', port, 'master', 'br0')
    ip('-n', bridge, 'link', 'set', port, 'up')
    // Otherwise removing the first address of an interface removes the others.
    setKernel(namespace, `net/ipv4/conf/${name}/promote_secondaries`)
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', name)
    ip('-n', namespace, 'link', 'set', name, 'up')
    // At the far end, so that the host loses its carrier like a real machine.
    return (plugged) => ip('-n', bridge, 'link', 'set', port, plugged ? 'up' : 'down')
  }
}

function openHost(t: Assert, network: Switch, firstAddress: string, gateway?: string): Host {
  const name = openNamespace(t)
  const cable = network.connect(name, 'eth0', firstAddress)
  if (gateway !== undefined) ip('-n', name, 'route', 'add', 'default', 'via', gateway)
  let address = firstAddress
  const wrap = (command: readonly string[]) => ['nsenter', inside(name), '--', ...command]
  const removeAddress = () => ip('-n', name, 'addr', 'del', `${address}/24`, 'dev', 'eth0')
  const start = (command: readonly string[]) => {
    const [file, ...args] = wrap(command) as [string, ...string[]]
    return spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  }
  return {
    name,
    get address() {
      return address
    },
    wrap,
    run: (...command) => run('nsenter', [inside(name), '--', ...command]),
    spawn: start,
    cable,
    removeAddress,
    readdress(next) {
      removeAddress()
      ip('-n', name, 'addr', 'add', `${next}/24`, 'dev', 'eth0')
      address = next
    },
    capture: (file) => capture(file, start)
  }
}

/** A network and its connection to the outside. */
interface Home {
  /** Its address on the outside. */
  readonly address: string
  host(): Host
  /** Forwards a TCP port to a host. */
  forward(port: number, to: string): void
}

/** A box with a public address, and the network behind it. */
function openHome(t: Assert, internet: Switch, number: number, kind: NatKind): Home {
  const address = `10.1.0.${10 + number}`
  if (kind === 'none') return { address, host: () => openHost(t, internet, address), forward: () => {} }
  const network = new Switch(t)
  const box = openNamespace(t)
  const [subnet, gateway] = [`10.2.${number}`, `10.2.${number}.254`]
  internet.connect(box, 'out0', address)
  network.connect(box, 'in0', gateway)
  const rules = (...args: readonly string[]) => run('nsenter', [inside(box), 'iptables', '-w', ...args])
  const out = ['-t', 'nat', '-A', 'POSTROUTING', '-o', 'out0']
  // The source port is kept if free, as most boxes do; symmetric NAT picks another for each destination.
  if (kind === 'symmetric') rules(...out, '-p', 'udp', '-j', 'MASQUERADE', '--random-fully')
  rules(...out, '-j', 'MASQUERADE')
  // Dropped, not refused: conntrack would record a refused packet as a connection, and take its port from the host inside.
  rules('-A', 'INPUT', '-i', 'out0', '-j', 'DROP')
  const lead = ['-t', 'nat', '-A', 'PREROUTING', '-i', 'out0']
  if (kind === 'full-cone') {
    rules(...lead, '-p', 'udp', '-j', 'DNAT', '--to-destination', `${subnet}.1`)
  } else {
    const known = ['-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'ACCEPT']
    rules('-A', 'FORWARD', '-i', 'out0', ...known)
    rules('-A', 'FORWARD', '-i', 'out0', '-m', 'conntrack', '!', '--ctstate', 'DNAT', '-j', 'DROP')
  }
  setKernel(box, 'net/ipv4/ip_forward')
  let hosts = 0
  return {
    address,
    host: () => openHost(t, network, `${subnet}.${++hosts}`, gateway),
    forward: (port, to) => rules(...lead, '-p', 'tcp', '--dport', String(port), '-j', 'DNAT', '--to-destination', to)
  }
}

async function capture(
  file: string,
  start: (command: readonly string[]) => ChildProcess
): Promise<(() => Promise<void>) | undefined> {
  if (spawnSync('tcpdump', ['--version']).status !== 0) return undefined
  // Immediate mode: otherwise packets are buffered for up to a second, and lost at the end.
  const child = start(['tcpdump', '-i', 'any', '--immediate-mode', '-U', '-Z', 'root', '-w', file])
  let output = ''
  child.stderr?.on('data', (data: Buffer) => {
    output += data
  })
  const ended = () => child.exitCode !== null || child.signalCode !== null
  await until(() => output.includes('listening on') || ended(), { what: 'tcpdump' })
  if (ended()) throw new Error(output)
  return async () => {
    child.kill('SIGINT')
    await until(ended, { what: 'the end of tcpdump' })
  }
}

/** Turns a setting of the kernel on, for one namespace. */
function setKernel(namespace: string, setting: string): void {
  run('nsenter', [inside(namespace), 'sh', '-c', `echo 1 > /proc/sys/${setting}`])
}

function inside(namespace: string): string {
  return `--net=/run/netns/${namespace}`
}

function ip(...args: readonly string[]): string {
  return run('ip', args)
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function whyNot(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  for (const [tool, option] of [
    ['ip', '-V'],
    ['nsenter', '-V'],
    ['iptables', '-V']
  ] as const) {
    if (spawnSync(tool, [option]).status !== 0) return `needs ${tool}`
  }
  const probe = `p2psync-${process.pid}-probe`
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'may make no network namespaces'
  return spawnSync('ip', ['netns', 'del', probe]).status === 0 ? false : 'may remove no network namespaces'
}
