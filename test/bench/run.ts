/**
 * Measures p2psync against itself, and rsync, on small workloads: a table to read, not a test.
 * Not run by `npm test`; `npm run bench -- --help` prints its options.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../support/cli.ts'
import { headings, keptOf, type Recorded, rowOf } from './report.ts'
import { type Figure, type Sizes, workloads } from './workloads.ts'

const figuresFile = join(packageRoot, 'test/bench/figures.json')

const help = `Usage: npm run bench -- [options]

Shares a folder and clones it on this machine, two processes without a DHT, and prints the cost of each workload,
and of rsync over a pipe if rsync is installed. Each figure is expressed as a multiple of the time this machine takes
for comparable work in the same run (copying and hashing, starting and walking), and compared with the multiple
recorded last. Below 1.00 it has become faster.

  --only <names>   workloads, separated by commas: ${Object.keys(workloads).join(', ')} (default: all)
  --scale <n>      multiplies the files and bytes (default: 1)
  --in <dir>       where to work (default: the system's directory for temporary files)
  --record         record these figures in test/bench/figures.json
  --help`

/** About a minute on two cores. */
const sizes: Sizes = { largeBytes: 256 * 1024 * 1024, files: 5000, liveFiles: 12 }

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: Object.keys(workloads).join(',') },
      scale: { type: 'string', default: '1' },
      in: { type: 'string', default: tmpdir() },
      record: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return say(help)
  const scale = Number(values.scale)
  const names = values.only.split(',')
  const unknown = names.find((name) => !Object.hasOwn(workloads, name))
  if (unknown !== undefined || !(scale > 0)) return say(help)
  const recorded = readFigures()
  const figures: Figure[] = []
  say(headings)
  for (const name of names) {
    await run(name, values.in, scaled(scale), (figure) => {
      figures.push(figure)
      say(rowOf(figure, recorded[figure.name]))
    })
  }
  if (values.record) {
    const kept = { ...recorded, ...Object.fromEntries(figures.map((figure) => [figure.name, keptOf(figure)])) }
    writeFileSync(figuresFile, `${JSON.stringify(kept, null, 2)}\n`)
  }
}

/** Runs one workload, and cleans up even if it fails. */
async function run(name: string, directory: string, sizes: Sizes, tell: (figure: Figure) => void): Promise<void> {
  const teardowns: (() => unknown)[] = []
  const scope = { teardown: (act: () => unknown) => void teardowns.push(act) }
  try {
    await workloads[name]?.(scope, mkdtempSync(join(directory, 'p2psync-bench-')), sizes, tell)
  } finally {
    for (const teardown of teardowns.reverse()) await teardown()
  }
}

function scaled(scale: number): Sizes {
  const { largeBytes, files, liveFiles } = sizes
  return { largeBytes: largeBytes * scale, files: Math.ceil(files * scale), liveFiles }
}

function readFigures(): Readonly<Record<string, Recorded>> {
  try {
    return JSON.parse(readFileSync(figuresFile, 'utf8')) as Record<string, Recorded>
  } catch {
    return {}
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

await main()
// Handles left open by a command must not keep the process alive.
process.exit()
