/**
 * Tells the last ten versions of a folder or a key, what each changed, and what a file held a version ago.
 *
 *   node dist/examples/history.js <dir or key> [file] [host:port of a DHT node]
 */
import { openLog } from 'p2psync'
import { bootstrapOf } from './bootstrap.ts'

const [where = '.', file = '', node] = process.argv.slice(2)
const { signal } = new AbortController()
const log = await openLog(where, bootstrapOf(node))
try {
  for await (const record of log.ask('log', { limit: 10 }, signal)) {
    if (record.type === 'version') process.stdout.write(`version ${record.version}, ${new Date(record.timeMs)}\n`)
    else process.stdout.write(`  ${record.type} ${record.path}\n`)
  }
  if (file !== '') {
    for await (const piece of log.content({ path: file, version: '-1' }, signal)) process.stdout.write(piece)
  }
} finally {
  await log.close()
}
