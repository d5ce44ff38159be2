/**
 * Runs all tests, several files at a time, as most of them wait for processes, disks and networks of their own most of
 * the time. Each file gets a process; the output of each is printed whole when it ends, and that of the failed ones at
 * the end once more. Exits with 1 when any failed.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'

const timeoutMs = 240_000
// Nothing may be sent by multicast on the networks of whoever runs the tests.
process.env.P2PSYNC_NO_LAN = '1'
const workers = Number(process.env.P2PSYNC_TEST_WORKERS) || availableParallelism() + 1
const root = import.meta.dirname
const packageRoot = join(root, '../..')
const brittle = join(packageRoot, 'node_modules/brittle/brittle-node.js')

/** Those that start processes, or wait for long, take a process each; the others share one for each directory. */
const apart = ['end-to-end', 'simulation', 'net']

/** The longest are begun first, so that none goes on alone at the end. */
const long = [
  'end-to-end/follow/many-files',
  'end-to-end/follow/odd-file-systems',
  'simulation/kills',
  'end-to-end/network/dht',
  'end-to-end/network/swarm',
  'end-to-end/hostile/attack'
]

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .sort()
const isApart = (file: string) => apart.includes(file.split(sep)[0] as string)
const isLong = (file: string) => long.some((name) => file.split(sep).join('/') === `${name}.test.js`)
const others = new Map<string, string[]>()
for (const file of files.filter((file) => !isApart(file))) {
  const directory = file.split(sep).slice(0, -1).join('/')
  others.set(directory, [...(others.get(directory) ?? []), file])
}
// Taken from the end.
const groups = [
  ...files.filter((file) => isApart(file) && !isLong(file)).map((file) => [file]),
  ...others.values(),
  ...files.filter(isLong).map((file) => [file])
]

/** Runs some files in one process, and gives what it printed when one of them failed. */
async function run(group: readonly string[]): Promise<string | undefined> {
  const startMs = performance.now()
  const args = [brittle, '--timeout', String(timeoutMs), ...group.map((file) => join('dist/test', file))]
  const child = spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  child.stdout.on('data', (data: Buffer) => output.push(data))
  child.stderr.on('data', (data: Buffer) => output.push(data))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const name = group.length === 1 ? group[0] : `${group.length} files of ${group[0]?.split(sep)[0]}`
  const seconds = Math.round((performance.now() - startMs) / 1000)
  const printed = `${Buffer.concat(output)}\n# ${status === 0 ? 'passed' : 'FAILED'}: ${name}, ${seconds} s\n\n`
  process.stdout.write(printed)
  return status === 0 ? undefined : printed
}

const failed: string[] = []
const failures: string[] = []
const note = async (group: readonly string[]) => {
  const printed = await run(group)
  if (printed === undefined) return
  failed.push(...group)
  failures.push(printed)
}
const worker = async () => {
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) await note(group)
}
await Promise.all(Array.from({ length: workers }, worker))
// Of a long log often only the end is kept.
process.stdout.write(failures.join(''))
process.stdout.write(failed.length === 0 ? `# all ${files.length} files passed\n` : `# FAILED: ${failed.join(', ')}\n`)
process.exitCode = failed.length === 0 ? 0 : 1
