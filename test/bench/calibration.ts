import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../support/cli.ts'

/**
 * The cost of comparable work on this machine without p2psync: figures are recorded as
 * multiples of it, so that different machines and hours can be compared.
 */

export interface Base {
  readonly seconds: number
  /** Processor time, in seconds. */
  readonly cpuSeconds: number
}

/** Copies a tree by Node's synchronous calls, hashing every byte. */
export function copying(from: string, to: string): Base {
  const [startMs, before] = [performance.now(), process.cpuUsage()]
  copyTree(from, to)
  const [{ user, system }, seconds] = [process.cpuUsage(before), (performance.now() - startMs) / 1000]
  rmSync(to, { recursive: true })
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}

/** Starts a Node that loads the program and exits, and stats a whole tree: hardly any of it is waiting. */
export function startingAndWalking(directory: string): Base {
  const startMs = performance.now()
  spawnSync(process.execPath, [join(packageRoot, 'dist/bin/p2psync.js'), '--version'])
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) lstatSync(join(directory, name))
  const seconds = (performance.now() - startMs) / 1000
  return { seconds, cpuSeconds: seconds }
}

const buffer = Buffer.allocUnsafeSlow(1024 * 1024)

function copyTree(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name === '.p2psync') continue
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) copyTree(source, target)
    else copyFile(source, target)
  }
}

function copyFile(from: string, to: string): void {
  const [input, output] = [openSync(from, 'r'), openSync(to, 'wx')]
  const hash = createHash('sha256')
  for (let length = -1; length !== 0; ) {
    length = readSync(input, buffer, 0, buffer.length, null)
    hash.update(buffer.subarray(0, length))
    writeSync(output, buffer, 0, length)
  }
  hash.digest()
  closeSync(input)
  closeSync(output)
}
