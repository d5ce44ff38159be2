import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { bytesOf } from '../support/bytes.ts'
import { type Command, startClone, startShare } from '../support/cli.ts'
import { HostilePeer } from '../support/hostile-peer.ts'
import { becomeSame } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { until } from '../support/until.ts'

/** A folder that is shared, and a peer of it that means harm. */
async function openScene(t: Assert, fill: (source: string) => void) {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  fill(source)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const peer = await HostilePeer.open(t, addresses, writer.key)
  return { source, mirror, writer, peer, bootstrap, addresses }
}

/** Waits until a command has heard of so many peers at once. */
async function peersOf(command: Command, count: number): Promise<void> {
  await command.event('peer', ({ peers }) => peers >= count)
}

test('a peer that claims to have more than there is holds nobody up for long', async (t) => {
  const { source, mirror, writer, peer, bootstrap } = await openScene(t, (source) => {
    writeFileSync(join(source, 'file'), 'first')
  })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await peersOf(reader, 2)
  await reader.event('in-sync')
  let claims = 0
  peer.bend(peer.entries, (each) => {
    const claim = () => {
      const honest = { uploading: true, downloading: true, hasManifest: true, allowPush: false }
      const length = 1_000_000 + claims++
      each.wireSync.send({ fork: 0, length, remoteLength: peer.entries.length, canUpgrade: true, ...honest })
    }
    each.onrequest = () => {}
    claim()
    const timer = setInterval(claim, 200)
    t.teardown(() => clearInterval(timer), { order: -1 })
  })
  await until(() => claims > 2, { what: 'the first claims' })
  const before = reader.events.length
  writeFileSync(join(source, 'file'), 'second')
  const published = await writer.event('published', ({ puts }) => puts > 0, writer.events.length)
  await reader.event('in-sync', ({ version }) => version >= published.version, before)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'second')
})

test('peers that take requests and never answer hold up neither contents nor versions', async (t) => {
  const { source, mirror, writer, peer, addresses, bootstrap } = await openScene(t, (source) => {
    mkdirSync(join(source, 'd'))
    for (let i = 0; i < 40; i++) writeFileSync(join(source, `d/${i}`), bytesOf(300_000, i + 1))
  })
  const peers = [peer, await HostilePeer.open(t, addresses, writer.key)]
  for (const each of peers) {
    for (const core of [each.entries, each.content]) {
      each.bend(core, (bent) => {
        bent.onrequest = () => {}
      })
    }
  }
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await peersOf(reader, 3)
  await becomeSame(t, source, mirror)
  writeFileSync(join(source, 'later'), 'later')
  await becomeSame(t, source, mirror)
})
