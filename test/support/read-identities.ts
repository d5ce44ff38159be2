import { join } from 'node:path'
import { readIdentity } from '../../src/disk/state/identity.ts'

// Run on its own: reads identity after identity, each at the same instant as others who run this, and says the keys.
const [directory = '', rounds = '', startMs = ''] = process.argv.slice(2)
const everyMs = 25
const keys = Array.from({ length: Number(rounds) }, (_, round) => {
  const atMs = Number(startMs) + round * everyMs
  while (Date.now() < atMs); // A timer would be late by what decides here.
  return readIdentity(join(directory, String(round))).publicKey.toString('hex')
})
process.stdout.write(JSON.stringify(keys))
