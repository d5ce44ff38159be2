import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { start, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const goodKey = 'y'.repeat(52)

/** Arguments, the exit status, and the message. */
const mistakes: ReadonlyArray<[name: string, args: readonly string[], status: number, says: RegExp]> = [
  ['no command', [], 2, /Usage: p2psync/],
  ['an unknown command', ['shear'], 2, /unknown command 'shear'.*share/s],
  ['an unknown option', ['share', '.', '--pole'], 2, /unknown option '--pole'.*--poll/s],
  ['no directory', ['share'], 2, /missing required argument 'dir'/],
  ['a missing directory', ['share', 'nowhere'], 10, /no directory .*nowhere.*\[FOLDER_MISSING\]/],
  ['a file for a directory', ['share', 'file'], 10, /file is not a directory/],
  ['a file for a mirror', ['clone', goodKey, 'file'], 10, /file is not a directory/],
  ['a key that is too short', ['clone', 'yyyy', 'new'], 12, /has 4 characters.*\[BAD_KEY\]/],
  ['a key with a letter that none has', ['clone', `${'y'.repeat(51)}l`, 'new'], 12, /character "l"/],
  ['a hexadecimal key with a letter that none has', ['clone', `${'0'.repeat(63)}g`, 'new'], 12, /character "g"/],
  ['a directory that is not empty', ['clone', goodKey, 'full'], 1, /full is not empty.*--adopt.*\[FOLDER_NOT_EMPTY\]/],
  ['a bootstrap without a port', ['share', 'full', '--bootstrap', 'host'], 2, /"host" is not host:port/],
  ['a time of no unit', ['share', 'full', '--rescan-interval', '5 parsecs'], 2, /Give a time such as/],
  ['quiet and verbose', ['share', 'full', '-q', '-v'], 2, /cannot be used with/]
]

for (const [name, args, status, message] of mistakes) {
  test(`p2psync refuses ${name}, and changes nothing`, async (t) => {
    const cwd = await t.tmp()
    writeFileSync(join(cwd, 'file'), 'a file')
    mkdirSync(join(cwd, 'full'))
    writeFileSync(join(cwd, 'full/mine'), 'mine')
    const command = start(t, args, { cwd })
    t.is(await command.exit(), status)
    matches(t, command.stderr, message)
    t.absent(/\n\s+at /.test(command.stderr), 'no stack trace')
    t.is(command.stdout, '', 'stdout is for data')
    t.alike(readdirSync(cwd).sort(), ['file', 'full'])
    t.alike(readdirSync(join(cwd, 'full')), ['mine'])
  })
}

test('help and version go to stdout, and succeed', async (t) => {
  for (const [args, message] of [
    [['--help'], /share .*clone /s],
    [['share', '--help'], /Examples:.*\$ p2psync share/s],
    [['clone', '--help'], /Examples:.*\$ p2psync clone/s],
    [['bootstrap', '--help'], /Examples:.*\$ p2psync bootstrap/s],
    [['verify', '--help'], /Examples:.*\$ p2psync verify .*--repair/s],
    [['id', '--help'], /Examples:.*\$ p2psync id/s],
    [['gc', '--help'], /Examples:.*\$ p2psync gc/s],
    [['doctor', '--help'], /Examples:.*\$ p2psync doctor/s],
    [['--version'], /^\d+\.\d+\.\d+\n$/]
  ] as const) {
    const command = start(t, args)
    t.is(await command.exit(), 0)
    matches(t, command.stdout, message)
  }
})

test('the key is the only line on stdout, and never changes', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const keys: string[] = []
  for (let round = 0; round < 2; round++) {
    const command = start(t, ['share', source], { bootstrap })
    await shows(t, command, /Published version|Sharing/)
    t.is(await command.kill('SIGTERM'), 130)
    keys.push(command.stdout)
  }
  t.ok(/^[ybndrfg8ejkmcpqxot1uwisza345h769]{52}\n$/.test(keys[0] ?? ''), 'a key and nothing else')
  t.is(keys[0], keys[1])
})

test('a running folder is locked, and the error names its process', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const holder = await startShare(t, source, { bootstrap })
  for (const args of [
    ['share', source],
    ['share', source, '--state', await t.tmp()]
  ]) {
    const second = start(t, args, { bootstrap })
    t.is(await second.exit(), 11)
    t.ok(second.stderr.includes(`process ${holder.pid} `), 'the holder is named')
  }
  await holder.kill('SIGKILL')
  const heir = await startShare(t, source, { bootstrap })
  t.is(heir.key, holder.key, 'the lock went with its holder')
})

test('a mirror cannot be shared, and a folder has one key', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  writeFileSync(join(source, 'file'), 'content')
  const { key } = await startShare(t, source, { bootstrap })
  t.is(await start(t, ['clone', key, mirror, '--once'], { bootstrap }).exit(), 0)

  const sharing = start(t, ['share', mirror], { bootstrap })
  t.is(await sharing.exit(), 1)
  matches(t, sharing.stderr, /is a mirror of .*\[FOLDER_ROLE\]/)

  const other = start(t, ['clone', goodKey, mirror], { bootstrap })
  t.is(await other.exit(), 1)
  matches(t, other.stderr, /another key.*\[FOLDER_OTHER_KEY\]/)

  const over = start(t, ['clone', goodKey, source], { bootstrap })
  t.is(await over.exit(), 1)
  matches(t, over.stderr, /shared from here.*\[FOLDER_ROLE\]/)
})

test('a shared folder without its state does not get a new key', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const state = join(await t.tmp(), 'state')
  const first = await startShare(t, source, { bootstrap, args: ['--state', state] })
  await first.kill('SIGTERM')
  t.alike(readdirSync(join(source, '.p2psync')).sort(), ['folder.json', 'lock'], 'only the marker stays in the folder')

  const remembering = await startShare(t, source, { bootstrap })
  t.is(remembering.key, first.key, 'the marker names the state directory')
  await remembering.kill('SIGTERM')

  const elsewhere = start(t, ['share', source, '--state', join(await t.tmp(), 'other')], { bootstrap })
  t.is(await elsewhere.exit(), 10)
  t.ok(elsewhere.stderr.includes(state), 'the error names the old state directory')
})

test('a clone that finds no peer in time is an error', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const command = start(t, ['clone', goodKey, join(await t.tmp(), 'new'), '--once', '--timeout', '1s', '--json'], {
    bootstrap
  })
  t.is(await command.exit(), 13)
  t.is((await command.event('error')).code, 'NO_PEER')
  matches(t, command.stderr, /No peer was found in 1 s/)
})

test('an unreadable directory is refused', { skip: process.getuid?.() === 0 }, async (t) => {
  const cwd = await t.tmp()
  mkdirSync(join(cwd, 'closed'))
  chmodSync(join(cwd, 'closed'), 0)
  const command = start(t, ['share', 'closed'], { cwd })
  t.is(await command.exit(), 1)
  matches(t, command.stderr, /Can't read .*closed.*\[FOLDER_UNREADABLE\]/)
  chmodSync(join(cwd, 'closed'), 0o700)
  t.absent(existsSync(join(cwd, 'closed/.p2psync')))
})

async function shows(t: Assert, command: ReturnType<typeof start>, text: RegExp): Promise<void> {
  await until(() => text.test(command.stderr), { what: String(text) })
  t.ok(text.test(command.stderr))
}
