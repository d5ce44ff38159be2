import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Assert } from 'brittle'
import { until } from './until.ts'

/** Whether namespaces can be made here, so that tests have networks of their own: that takes root. */
export const canMakeNetworks = process.platform === 'linux' && process.getuid?.() === 0 && tries()

let made = 0

/** A test that breaks off takes no time to clear up. */
const standing = new Set<string>()
process.once('exit', () => {
  for (const name of standing) remove(name)
})

/** A machine that sees nothing of the real network: a network namespace with loopback up. */
export interface Machine {
  /** Of the namespace. */
  readonly name: string
  /** Runs `ip` in it. */
  ip(...args: readonly string[]): void
  /** Runs anything in it, and returns what it says. */
  run(file: string, ...args: readonly string[]): string
}

/** A machine on its own, until the test ends; ends what runs there before. */
export function makeMachine(t: Assert): Machine {
  const name = `p2psync-${process.pid}-${made++}`
  execFileSync('ip', ['netns', 'add', name])
  standing.add(name)
  t.teardown(() => remove(name), { order: 900 })
  const run = (file: string, ...args: readonly string[]) =>
    execFileSync('ip', ['netns', 'exec', name, file, ...args], { encoding: 'utf8' })
  const machine = { name, run, ip: (...args: readonly string[]) => void run('ip', ...args) }
  machine.ip('link', 'set', 'lo', 'up')
  return machine
}

/** Joins two machines by a cable; each has an interface `name` with its address, such as `10.77.0.1/24`. */
export async function plug(
  name: string,
  ...ends: readonly [a: [Machine, string], b: [Machine, string]]
): Promise<void> {
  const [[a], [b]] = ends
  a.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', name, 'netns', b.name)
  for (const [machine, address] of ends) {
    machine.ip('address', 'add', address, 'dev', name)
    machine.ip('link', 'set', name, 'up')
  }
  // The system takes a moment to notice, and to find that nobody else has the IPv6 address that it made up.
  const isUp = (machine: Machine) => {
    const told = machine.run('ip', 'address', 'show', name)
    const isNamed = told.includes('inet6') || !existsSync('/proc/sys/net/ipv6')
    return told.includes('state UP') && isNamed && !told.includes('tentative')
  }
  for (const [machine] of ends) await until(() => isUp(machine), { what: `${name} to be up` })
}

function remove(name: string): void {
  standing.delete(name)
  execFileSync('ip', ['netns', 'delete', name])
}

function tries(): boolean {
  const name = `p2psync-${process.pid}`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
