/**
 * Clones a folder and ends as soon as the directory holds the newest version of its peers.
 *
 *   node dist/examples/clone.js <key> <dir> [host:port of a DHT node]
 */
import { clone } from 'p2psync'
import { dhtOptions } from './dht-options.ts'

const [key = '', directory = './mirror', node] = process.argv.slice(2)
const folder = clone(key, directory, dhtOptions(node))
const inSync = folder.inSync()

await folder.ready()
for await (const event of folder) {
  if (event.type === 'applied') process.stdout.write(`version ${event.version}: ${event.files} files\n`)
  if (event.type === 'conflict') process.stdout.write(`kept your ${event.path} as ${event.keptAs}\n`)
  if (event.type === 'problem') process.stderr.write(`${event.path}: ${event.message}\n`)
  if (event.type === 'in-sync') break
}
await inSync
await folder.close()
