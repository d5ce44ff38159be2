import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

/** Restores an older database in place: only its contents reveal that. */
function setBack(directory: string): void {
  rmSync(directory, { recursive: true })
  renameSync(`${directory}-before`, directory)
}

test('a mirror whose peers have only an older version reports it and does not go back', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror, other] = [await t.tmp(), join(await t.tmp(), 'mirror'), join(await t.tmp(), 'other')]
  writeFileSync(join(source, 'file'), 'old')
  writeFileSync(join(source, 'gone'), 'gone')
  const writer = await startShare(t, source, { bootstrap })
  const first = startClone(t, writer.key, other, { bootstrap, args: ['--once'] })
  t.is(await first.exit(), 0)
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)
  // The store is rolled back later, but the mirror's own state is not.
  cpSync(join(mirror, '.p2psync/store/db'), join(mirror, '.p2psync/store/db-before'), { recursive: true })
  writeFileSync(join(source, 'file'), 'new')
  rmSync(join(source, 'gone'))
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  await reader.kill('SIGTERM')
  await writer.kill('SIGTERM')
  setBack(join(mirror, '.p2psync/store/db'))

  startClone(t, writer.key, other, { bootstrap })
  const once = start(t, ['clone', writer.key, mirror, '--once'], { bootstrap })
  t.is(await once.exit(), 15)
  matches(t, once.stderr, /The latest version that peers have is version \d+ .*takes nothing back.*\[ROLLED_BACK\]/)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'new')

  const following = startClone(t, writer.key, mirror, { bootstrap })
  await following.event('error', ({ code }) => code === 'ROLLED_BACK')
  await startShare(t, source, { bootstrap })
  writeFileSync(join(source, 'file'), 'newer')
  await waitUntilEqual(t, source, mirror)
  await waitUntilEqual(t, source, other)
  t.is(following.events.filter(({ type }) => type === 'conflict').length, 0)
})
