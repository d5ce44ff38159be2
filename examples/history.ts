/**
 * Prints the last ten versions of a folder, with the paths that each changed, then the content of a file one version ago.
 *
 *   node dist/examples/history.js <dir or key> [file] [host:port of a DHT node]
 */
import { openLog } from 'p2psync'
import { dhtOptions } from './dht-options.ts'

const [where = '.', file = '', node] = process.argv.slice(2)
const { signal } = new AbortController()
const log = await openLog(where, dhtOptions(node))
try {
  for await (const record of log.ask('log', { limit: 10 }, signal)) {
    if (record.type === 'version') process.stdout.write(`version ${record.version}, ${new Date(record.timeMs)}\n`)
    else process.stdout.write(`  ${record.type} ${record.path}\n`)
  }
  if (file !== '') {
    for await (const bytes of log.content({ path: file, version: '-1' }, signal)) process.stdout.write(bytes)
  }
} finally {
  await log.close()
}
