/**
 * Runs a tier of the tests: `node dist/test/run.js [unit|default|heavy]`; see `tiers.ts`.
 *
 * As many processes at a time as the machine has cores, and three times as many in the unit tier. Each end-to-end file
 * gets a process, and others share some. The output of each process is printed whole when it ends, and that of the
 * failed ones at the end once more: of a long log often only the end is kept. Exits with 1 when any failed, 2 when there
 * is no such tier.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { testHangMs } from './support/hang.ts'
import { hasOwnProcess, needsQuiet, rankOf, type Tier, tierOf, tiers } from './tiers.ts'

interface Job {
  readonly name: string
  readonly files: readonly string[]
}

interface Result extends Job {
  readonly passed: boolean
  readonly seconds: number
  /** What the process, and all processes that it has waited for, used of the processor. */
  readonly cpuSeconds: number
  readonly printed: string
}

const slowestShown = 10
/** How many of the other files share a process: half of their time would go into starting one for each. */
const filesTogether = 30
const root = import.meta.dirname
const packageRoot = join(root, '../..')
const brittle = join(packageRoot, 'node_modules/brittle/brittle-node.js')
// Nothing may be sent by multicast on the networks of whoever runs the tests.
process.env.P2PSYNC_NO_LAN = '1'
const workers = Number(process.env.P2PSYNC_TEST_WORKERS) || availableParallelism()

function filesOf(tier: Tier): string[] {
  const isWanted = (file: string) => tierOf(file) === tier || (tier === 'default' && tierOf(file) === 'unit')
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => name.slice(0, -'.test.js'.length).split(sep).join('/'))
    .filter(isWanted)
    .sort()
}

/** A process for each end-to-end file, and one for several of the others. */
function jobsOf(files: readonly string[]): Job[] {
  const jobs: Job[] = files.filter(hasOwnProcess).map((file) => ({ name: file, files: [file] }))
  const others = files.filter((file) => !hasOwnProcess(file))
  for (let from = 0; from < others.length; from += filesTogether) {
    const together = others.slice(from, from + filesTogether)
    jobs.push({ name: `tests from ${together[0]} to ${together.at(-1)}`, files: together })
  }
  return jobs.sort((a, b) => rankOf(a.files[0] ?? '') - rankOf(b.files[0] ?? ''))
}

let cpuSecondsSeen = 0

/** What the children that have ended since the last call used of the processor; 0 where nothing tells. */
function cpuSecondsSince(): number {
  let fields: string[]
  try {
    fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return 0
  }
  // `cutime` and `cstime`, in ticks of which Linux tells every process that a second has 100.
  const seconds = (Number(fields[13]) + Number(fields[14])) / 100
  const since = seconds - cpuSecondsSeen
  cpuSecondsSeen = seconds
  return since
}

async function run(job: Job): Promise<Result> {
  const startMs = performance.now()
  const args = [brittle, '--timeout', String(testHangMs), ...job.files.map((file) => `dist/test/${file}.test.js`)]
  const child = spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  child.stdout.on('data', (data: Buffer) => output.push(data))
  child.stderr.on('data', (data: Buffer) => output.push(data))
  let cpuSeconds = 0
  child.once('exit', () => {
    cpuSeconds = cpuSecondsSince()
  })
  const passed = (await new Promise<number | null>((resolve) => child.once('close', resolve))) === 0
  const seconds = (performance.now() - startMs) / 1000
  const result = { ...job, passed, seconds, cpuSeconds }
  const printed = `${Buffer.concat(output)}\n# ${passed ? 'passed' : 'FAILED'}: ${described(result)}\n\n`
  process.stdout.write(printed)
  return { ...result, printed }
}

function described({ name, seconds, cpuSeconds }: Omit<Result, 'printed'>): string {
  return `${name}, ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of processor time`
}

async function runAll(jobs: readonly Job[], atOnce: number): Promise<Result[]> {
  const left = [...jobs].reverse()
  const results: Result[] = []
  const worker = async () => {
    for (let job = left.pop(); job !== undefined; job = left.pop()) results.push(await run(job))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

function report(tier: Tier, results: readonly Result[]): void {
  const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, slowestShown)
  const cpuSeconds = results.reduce((sum, each) => sum + each.cpuSeconds, 0)
  const failed = results.filter(({ passed }) => !passed)
  const count = results.flatMap(({ files }) => files).length
  const failedFiles = failed.flatMap(({ files }) => files)
  const took = `${process.uptime().toFixed(0)} s, ${cpuSeconds.toFixed(0)} s of processor time`
  const lines = [
    `# The slowest of the tier ${tier}, which took ${took}:`,
    ...slowest.map((result) => `#   ${described(result)}`),
    ...failed.map(({ printed }) => printed),
    failed.length === 0 ? `# all ${count} files passed` : `# FAILED: ${failedFiles.join(', ')}`,
    `${count - failedFiles.length} passed, ${failedFiles.length} failed`
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

const tier = tiers.find((each) => each === (process.argv[2] ?? 'default'))
if (tier === undefined) {
  process.stderr.write(`No tier ${process.argv[2]}. There are: ${tiers.join(', ')}\n`)
  process.exitCode = 2
} else {
  const jobs = jobsOf(filesOf(tier))
  const isQuiet = ({ files }: Job) => files.some(needsQuiet)
  const results = [
    ...(await runAll(
      jobs.filter((job) => !isQuiet(job)),
      // Unit tests mostly wait for timers and disks.
      tier === 'unit' ? 3 * workers : workers
    )),
    ...(await runAll(jobs.filter(isQuiet), 1))
  ]
  report(tier, results)
}
