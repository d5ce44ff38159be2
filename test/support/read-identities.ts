import { join } from 'node:path'
import { readIdentity } from '../../src/disk/state/identity.ts'

// A process of its own: reads identity after identity, each at the same instant as its sibling processes, and prints the keys.
const [directory = '', rounds = '', startMs = ''] = process.argv.slice(2)
const everyMs = 25
const keys = Array.from({ length: Number(rounds) }, (_, round) => {
  const atMs = Number(startMs) + round * everyMs
  while (Date.now() < atMs); // Busy waiting: a timer's lateness would hide the race.
  return readIdentity(join(directory, String(round))).publicKey.toString('hex')
})
process.stdout.write(JSON.stringify(keys))
