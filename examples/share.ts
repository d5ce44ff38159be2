/**
 * Shares a directory until Ctrl-C, and prints each version that it publishes.
 *
 *   node dist/examples/share.js <dir> [host:port of a DHT node]
 */
import { share } from 'p2psync'
import { dhtOptions } from './dht-options.ts'

const [directory = '.', node] = process.argv.slice(2)
const folder = share(directory, dhtOptions(node))

folder.subscribe((event) => {
  if (event.type === 'published') process.stdout.write(`version ${event.version}: ${event.files} files\n`)
  if (event.type === 'error' || event.type === 'problem') process.stderr.write(`${event.message}\n`)
})
await folder.ready()
process.stdout.write(`key ${folder.key}\n`)

process.once('SIGINT', () => folder.close())
process.once('SIGTERM', () => folder.close())
