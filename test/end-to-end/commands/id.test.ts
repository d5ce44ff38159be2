import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Assert } from 'brittle'
import { keyPair } from 'hypercore-crypto'
import ids from 'hypercore-id-encoding'
import { canBeOrdinary, giveToOrdinaryUser, start } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { test } from '../../support/together.ts'

const fileOf = (home: string) => join(home, '.local/state/p2psync/identity')

async function idOf(t: Assert, env: NodeJS.ProcessEnv): Promise<string> {
  const command = start(t, ['id'], { env: { XDG_STATE_HOME: '', ...env } })
  t.is(await command.exit(), 0)
  t.is(command.stderr, '')
  return command.stdout
}

test('a machine has one public key, made at the first use and readable by this user only', async (t) => {
  const home = await t.tmp()
  const key = await idOf(t, { HOME: home })
  t.ok(/^[ybndrfg8ejkmcpqxot1uwisza345h769]{52}\n$/.test(key), 'a key and nothing else')
  t.is(await idOf(t, { HOME: home }), key)

  const file = fileOf(home)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.is(statSync(dirname(file)).mode & 0o777, 0o700)
  t.alike(readdirSync(dirname(file)), ['identity'], 'no temporary file is left')
  const { format, seed } = JSON.parse(readFileSync(file, 'utf8')) as { format: number; seed: string }
  t.is(format, 1)
  t.is(ids.encode(keyPair(Buffer.from(seed, 'hex')).publicKey), key.trim(), 'of the seed in the file')

  const json = start(t, ['id', '--json'], { env: { HOME: home, XDG_STATE_HOME: '' } })
  t.is(await json.exit(), 0)
  t.alike(JSON.parse(json.stdout), { type: 'identity', key: key.trim() })
})

test('XDG_STATE_HOME is the home of the identity, unless it is relative', async (t) => {
  const [home, elsewhere] = [await t.tmp(), await t.tmp()]
  const key = await idOf(t, { HOME: home, XDG_STATE_HOME: elsewhere })
  t.ok(existsSync(join(elsewhere, 'p2psync/identity')))
  t.absent(existsSync(fileOf(home)))
  t.not(await idOf(t, { HOME: home, XDG_STATE_HOME: 'relative' }), key)
  t.ok(existsSync(fileOf(home)))
})

test('commands that make the identity at the same time agree on one', async (t) => {
  const home = await t.tmp()
  const keys = await Promise.all(Array.from({ length: 8 }, () => idOf(t, { HOME: home })))
  t.is(new Set(keys).size, 1)
  t.is(await idOf(t, { HOME: home }), keys[0])
  t.alike(readdirSync(dirname(fileOf(home))), ['identity'])
})

/** Contents in place of the identity, and the message. */
const strangers: ReadonlyArray<[name: string, put: (file: string) => void, says: RegExp]> = [
  ['garbage', (file) => writeFileSync(file, 'garbage', { mode: 0o600 }), /is damaged, or of a newer p2psync/],
  ['nothing', (file) => writeFileSync(file, '', { mode: 0o600 }), /is damaged/],
  ['a seed that is too short', (file) => write(file, { format: 1, seed: 'abcd' }), /is damaged/],
  ['a later format', (file) => write(file, { format: 2, seed: '0'.repeat(64) }), /is damaged, or of a newer p2psync/],
  ['a link', (file) => symlinkSync('elsewhere', file), /is a link.*Remove it/],
  ['a directory', (file) => mkdirSync(file), /is no file.*Move it away/]
]

function write(file: string, content: unknown): void {
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
}

for (const [name, put, message] of strangers) {
  test(`an identity that is ${name} is refused, and stays unchanged`, async (t) => {
    const home = await t.tmp()
    const file = fileOf(home)
    mkdirSync(dirname(file), { recursive: true })
    put(file)
    // The link leads to a valid identity.
    const other = await t.tmp()
    await idOf(t, { HOME: other })
    cpSync(fileOf(other), join(dirname(file), 'elsewhere'))
    const command = start(t, ['id', '--json'], { env: { HOME: home, XDG_STATE_HOME: '' } })
    t.is(await command.exit(), 1)
    matches(t, command.stderr, message)
    matches(t, command.stderr, /\[IDENTITY_UNUSABLE\]\n$/)
    t.is((JSON.parse(command.stdout) as { code: string }).code, 'IDENTITY_UNUSABLE')
    t.alike(readdirSync(dirname(file)), ['elsewhere', 'identity'])
  })
}

test('an identity that others can read is refused until its mode is corrected', async (t) => {
  const home = await t.tmp()
  const key = await idOf(t, { HOME: home })
  for (const mode of [0o640, 0o604]) {
    chmodSync(fileOf(home), mode)
    const command = start(t, ['id'], { env: { HOME: home, XDG_STATE_HOME: '' } })
    t.is(await command.exit(), 1)
    matches(t, command.stderr, /has mode 06\d\d, so others can read.*chmod 600.*\[IDENTITY_UNUSABLE\]/)
    t.is(command.stdout, '')
  }
  chmodSync(fileOf(home), 0o600)
  t.is(await idOf(t, { HOME: home }), key)
})

test('an identity that cannot be written or read is an error', { skip: !canBeOrdinary }, async (t) => {
  const home = await t.tmp()
  const env = { HOME: home, XDG_STATE_HOME: '' }
  chmodSync(home, 0o555)
  const refused = start(t, ['id'], { env, ordinary: true })
  t.is(await refused.exit(), 1)
  matches(t, refused.stderr, /Can't .*identity.*permission denied.*XDG_STATE_HOME.*\[IDENTITY_UNUSABLE\]\n$/)
  t.absent(/\n\s+at /.test(refused.stderr), 'no stack trace')
  t.alike(readdirSync(home), [])

  chmodSync(home, 0o755)
  giveToOrdinaryUser(home)
  const made = start(t, ['id'], { env, ordinary: true })
  t.is(await made.exit(), 0)
  chmodSync(fileOf(home), 0)
  const closed = start(t, ['id'], { env, ordinary: true })
  t.is(await closed.exit(), 1)
  matches(t, closed.stderr, /permission denied/)
  rmSync(fileOf(home))
})
