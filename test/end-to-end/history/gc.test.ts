import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

test('gc reports why it does nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const run = async (args: readonly string[], status: number, message: RegExp) => {
    const command = start(t, ['gc', ...args])
    t.is(await command.exit(), status)
    matches(t, command.stderr, message)
    t.is(command.stdout, '')
  }
  await run([source, '--keep', '30d'], 10, /is not a folder of p2psync.*\[FOLDER_MISSING\]/)
  await run([source], 2, /required option '--keep <age>'/)
  await run([source, '--keep', '30'], 2, /Give an age such as/)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  await run([source, '--keep', '30d'], 0, /^Freed .*: all versions stay complete\n$/)
  await writer.kill('SIGTERM')
  await run([source, '--keep', '30d'], 0, /^Freed .* of .*: all versions stay complete\n$/)
  await run([source, '--keep', '0s', '--dry-run'], 0, /^Would free about .* of .*: all versions stay/)
  writeFileSync(join(source, 'new'), 'new')
  t.is(await start(t, ['scan', source]).exit(), 0)
  await run(
    [source, '--keep', '0s'],
    0,
    /^Freed .*: versions before \d+ \(\d{4}-\d\d-\d\d\) keep only contents of later/
  )
})

test('gc deletes nothing in a mirror that lacks a part of the log', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (let i = 0; i < 2000; i++) writeFileSync(join(source, `f${i}`), String(i))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  // The mirror loads a packed snapshot of the entries, and has no time for more.
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  const command = start(t, ['gc', mirror, '--keep', '0s', '--json'])
  t.is(await command.exit(), 13)
  matches(t, command.stderr, /Not all of the log can be read here.*nothing was forgotten.* \[NO_PEER\]/)
})
