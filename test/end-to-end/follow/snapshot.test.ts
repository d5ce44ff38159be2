import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'brittle'
import type { FailpointName } from '../../../src/failpoints.ts'
import { type Command, packageRoot, startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

/** Enough files for a snapshot. */
const files = 600

/** Fills a directory within `folder`. */
function fill(folder: string, name: string): void {
  mkdirSync(join(folder, name))
  for (let i = 0; i < files; i++) writeFileSync(join(folder, name, `file ${i}`), `${name} ${i}`)
}

const countOf = ({ events }: Command, type: string) => events.filter((event) => event.type === type).length

test('a new folder is published with a snapshot, and a later one follows without an event', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, home] = [await t.tmp(), await t.tmp()]
  fill(source, 'first')
  const writer = await startShare(t, source, { bootstrap })
  const { version } = await writer.event('up-to-date')
  t.is(version, files + 4, 'the bee’s header, the entries, their head and the head of the snapshot')
  t.is(countOf(writer, 'published'), 1)
  const reader = startClone(t, writer.key, join(home, 'reader'), { bootstrap })
  t.is((await reader.event('in-sync')).version, version)

  fill(source, 'second')
  const settled = () => countOf(writer, 'published') > 1
  await until(settled, { what: 'the second directory' })
  await waitUntilEqual(t, source, join(home, 'reader'))
  let readers = 0
  const follow = async () => {
    const mirror = join(home, `${readers++}`)
    const other = startClone(t, writer.key, mirror, { bootstrap })
    const event = await other.event('in-sync')
    await waitUntilEqual(t, source, mirror)
    await other.kill('SIGTERM')
    return event
  }
  // When changes cease a snapshot is published, which is the newest version for a reader that joins later.
  await until(
    async () => {
      const { version } = await follow()
      const published = writer.events.filter(({ type }) => type === 'published').at(-1) as
        | { version: number }
        | undefined
      return version > (published?.version ?? 0)
    },
    { what: 'a second snapshot' }
  )
  t.absent(
    reader.events.some((event) => event.type === 'applied' && event.changes === 0),
    'an earlier reader reported no event for it'
  )
  writeFileSync(join(source, 'last'), 'last')
  await waitUntilEqual(t, source, join(home, 'reader'))
})

/** The steps at which the writer is killed while it publishes a snapshot, and the reader while it loads it. */
const kills: ReadonlyArray<[writer: FailpointName, reader: FailpointName]> = [
  ['blocks-appended', 'entries-fetched'],
  ['version-ready', 'target-made'],
  ['version-made', 'baseline-recorded']
]
for (const [writerStep, readerStep] of kills) {
  test(`a writer killed at ${writerStep} and a reader killed at ${readerStep} resume`, async (t) => {
    const { text: bootstrap } = await startTestnet(t)
    const [source, home] = [await t.tmp(), await t.tmp()]
    fill(source, 'first')
    const killAt = (step: FailpointName, times: number) => {
      const order = join(home, `${step}`)
      writeFileSync(order, `${step} ${times}`)
      const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
      return { bootstrap, env: { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order } }
    }
    const killed = await startShare(t, source, killAt(writerStep, 2))
    t.is(await killed.exit(), -1)
    t.is(countOf(killed, 'published'), 1, 'the writer was killed at its snapshot')

    const writer = await startShare(t, source, { bootstrap })
    await writer.event('up-to-date')
    const mirror = join(home, 'mirror')
    t.is(await startClone(t, writer.key, mirror, killAt(readerStep, 1)).exit(), -1)
    writeFileSync(join(source, 'first', 'file 0'), 'changed')
    const reader = startClone(t, writer.key, mirror, { bootstrap })
    await waitUntilEqual(t, source, mirror)
    await reader.event('in-sync')
    const troubles = reader.events.filter(
      ({ type }) => type === 'diverged' || type === 'problem' || type === 'conflict'
    )
    t.alike(troubles, [])
  })
}
