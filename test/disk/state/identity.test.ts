import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'brittle'
import { identityDirectory, readIdentity } from '../../../src/disk/state/identity.ts'

const script = fileURLToPath(new URL('../../support/read-identities.js', import.meta.url))
const run = promisify(execFile)

test('processes that make an identity in the same instant end with the same one', async (t) => {
  const directory = await t.tmp()
  const rounds = 40
  const startMs = Date.now() + 2000
  const readers = Array.from({ length: 4 }, () =>
    run(process.execPath, [script, directory, String(rounds), String(startMs)])
  )
  const answers = (await Promise.all(readers)).map(({ stdout }) => JSON.parse(stdout) as string[])
  const differing = answers.filter((keys) => keys.join() !== answers[0]?.join())
  t.is(differing.length, 0)
  t.is(new Set(answers[0]).size, rounds)
  for (let round = 0; round < rounds; round++) {
    const kept = readIdentity(join(directory, String(round))).publicKey.toString('hex')
    if (kept !== answers[0]?.[round]) t.fail(`what was said in round ${round} is not what is kept`)
    const names = readdirSync(join(directory, String(round)))
    if (names.length !== 1) t.fail(`${names} is left`)
  }
})

test('the directory of the identity follows the environment', (t) => {
  t.is(identityDirectory({ XDG_STATE_HOME: '/state', HOME: '/home/ada' }), '/state/p2psync')
  t.is(identityDirectory({ XDG_STATE_HOME: 'state', HOME: '/home/ada' }), '/home/ada/.local/state/p2psync')
  t.is(identityDirectory({ HOME: '/home/ada' }), '/home/ada/.local/state/p2psync')
})
