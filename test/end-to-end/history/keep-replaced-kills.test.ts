import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startClone } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { heldBlockCount, killable, large, openScene, versionOf, waitForKept } from '../../support/keep-replaced.ts'
import { PastReader } from '../../support/past-reader.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'

for (const step of ['taken-out', 'moved'] as const) {
  test(`a mirror killed at ${step} while it sets a file aside has the file and no remains`, async (t) => {
    const { source, mirror, clone } = await openScene(t)
    const { env, arm } = await killable(t)
    const reader = await clone([], env)
    arm(step)
    mkdirSync(join(source, 'd'))
    renameSync(join(source, 'large'), join(source, 'd/large'))
    t.is(await reader.exit(), -1, 'killed')
    const again = await clone()
    await waitUntilEqual(t, source, mirror)
    await waitForKept(t, mirror)
    t.alike(readdirSync(join(mirror, '.p2psync/staging')), [])
    const troubles = again.events.filter(({ type }) => type === 'conflict' || type === 'problem')
    t.alike(troubles, [])
  })
}

test('a kept file is deleted even if its deletion was killed once', async (t) => {
  const { source, mirror, writer, addresses, clone } = await openScene(t)
  const { env, arm } = await killable(t)
  const reader = await clone()
  const before = versionOf(writer)
  rmSync(join(source, 'large'))
  await waitUntilEqual(t, source, mirror)
  await waitForKept(t, mirror, large)
  const past = await PastReader.open(t, addresses, writer.key)
  const entry = await past.entry('large', before)
  await reader.kill('SIGTERM')
  arm('kept-removed')
  const killed = startClone(t, writer.key, mirror, { env, args: ['--keep-replaced', 'none'] })
  t.is(await killed.exit(), -1, 'killed')
  t.alike(readdirSync(join(mirror, '.p2psync/kept')), [`${hashOf(large)}.json`])
  const again = await clone()
  await waitForKept(t, mirror)
  await again.kill('SIGTERM')
  t.is(await heldBlockCount(mirror, writer.key, entry), 0)
})
