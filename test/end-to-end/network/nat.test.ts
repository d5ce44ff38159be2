import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { patientTimeout } from '../../support/hang.ts'
import { type Host, type NatKind, namespaceTest, openNat, startDht } from '../../support/namespaces.ts'
import { matches } from '../../support/says.ts'
import { until } from '../../support/until.ts'

interface Scene {
  readonly kind: readonly [source: NatKind, reader: NatKind]
  readonly shared?: boolean
  /** Extra arguments of both commands. */
  readonly args?: readonly string[]
}

/** A source in one home and a reader in another, with a private DHT outside. */
async function openScene(t: Assert, { kind, shared = false, args: common = [] }: Scene, startNodes = startDht) {
  const nat = openNat(t, { kind, shared })
  const bootstrap = await startNodes(nat.outside)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), 'first')
  const [a, b] = nat.inside
  const share = (args: readonly string[] = []) =>
    startShare(t, source, { bootstrap, host: a, args: [...common, ...args] })
  const clone = (key: string, args: readonly string[] = [], to = mirror) =>
    startClone(t, key, to, { bootstrap, host: b, args: ['--once', ...common, ...args] })
  return { ...nat, source, mirror, share, clone }
}

/** Waits until a reader has the source's content, and prints how they connected: figures to read, not to test. */
async function finished(t: Assert, reader: Command, mirror: string) {
  const startMs = performance.now()
  t.is(await reader.exit(), 0, 'the reader connected and cloned')
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'first')
  const peer = await reader.event('peer')
  const ms = Math.round(performance.now() - startMs)
  t.comment(`${ms} ms from its start to its end; ${peer.transport}, ${peer.distance}, ${peer.address}`)
  return peer
}

/** The last column names the transport: TCP if one end can be dialled. */
const meetings: ReadonlyArray<readonly [name: string, scene: Scene, transport: 'tcp' | 'udx']> = [
  ['without NAT', { kind: ['none', 'none'], args: ['--no-lan'] }, 'tcp'],
  ['without NAT or TCP', { kind: ['none', 'none'], args: ['--no-tcp'] }, 'udx'],
  ['a source behind a full cone alone', { kind: ['full-cone', 'none'] }, 'tcp'],
  ['a reader behind a full cone alone', { kind: ['none', 'full-cone'] }, 'tcp'],
  ['a source behind port-restricted NAT alone', { kind: ['port-restricted', 'none'] }, 'tcp'],
  ['a reader behind port-restricted NAT alone', { kind: ['none', 'port-restricted'] }, 'tcp'],
  ['a source behind symmetric NAT alone', { kind: ['symmetric', 'none'] }, 'tcp'],
  ['a reader behind symmetric NAT alone', { kind: ['none', 'symmetric'] }, 'tcp'],
  ['two full cones', { kind: ['full-cone', 'full-cone'] }, 'udx'],
  ['a full cone and port-restricted NAT', { kind: ['full-cone', 'port-restricted'] }, 'udx'],
  ['port-restricted NAT at both ends', { kind: ['port-restricted', 'port-restricted'] }, 'udx'],
  ['symmetric NAT and a full cone', { kind: ['symmetric', 'full-cone'] }, 'udx'],
  ['symmetric and port-restricted NAT', { kind: ['symmetric', 'port-restricted'] }, 'udx'],
  ['port-restricted and symmetric NAT', { kind: ['port-restricted', 'symmetric'] }, 'udx'],
  ['both behind one box', { kind: ['port-restricted', 'port-restricted'], shared: true }, 'tcp'],
  [
    'both behind one box, without LAN discovery',
    { kind: ['port-restricted', 'port-restricted'], shared: true, args: ['--no-lan'] },
    'tcp'
  ],
  [
    'both behind one box, by UDX',
    { kind: ['port-restricted', 'port-restricted'], shared: true, args: ['--no-tcp'] },
    'udx'
  ],
  [
    'both behind one symmetric box, by UDX',
    { kind: ['symmetric', 'symmetric'], shared: true, args: ['--no-tcp'] },
    'udx'
  ]
]

// The chosen path depends on response times: on a busy machine a near peer seems far.
const alone = { byItself: true }

for (const [name, scene, transport] of meetings) {
  namespaceTest(
    `they meet: ${name}`,
    async (t) => {
      const { share, clone, mirror } = await openScene(t, scene)
      const writer = await share()
      const peer = await finished(t, clone(writer.key, patientTimeout), mirror)
      t.is(peer.transport, transport)
    },
    alone
  )
}

namespaceTest(
  'two homes find each other through p2psync bootstrap on a host outside',
  async (t) => {
    const startNodes = async (host: Host) => {
      const dht = start(t, ['bootstrap'], { host })
      const [address] = (await until(() => /^.+\n/.exec(dht.stdout), { what: 'its address' })) as [string]
      return address.trim()
    }
    const scene = await openScene(t, { kind: ['port-restricted', 'port-restricted'] }, startNodes)
    const writer = await scene.share()
    await finished(t, scene.clone(writer.key), scene.mirror)
  },
  alone
)

namespaceTest(
  'symmetric NAT at both ends: the reader explains why it finds nobody and what to do, and that works',
  async (t) => {
    const { share, clone, mirror, boxes, forward } = await openScene(t, { kind: ['symmetric', 'symmetric'] })
    const port = 4000
    const writer = await share(['--port', String(port)])
    const why = /no direct way.*another port for every connection.*port forwarding.*--port.*--peer/
    const reader = clone(writer.key, ['--timeout', '12s'])
    // After ten seconds, and at the end.
    const { message } = await reader.event('notice', (notice) => notice.message.startsWith('No peer yet'))
    matches(t, message, why)
    t.is(await reader.exit(), 13)
    matches(t, reader.stderr, why)
    t.comment(reader.stderr.trim())
    forward(0, port)
    const address = `${boxes[0]}:${port}`
    const peer = await finished(t, clone(writer.key, ['--peer', address]), mirror)
    t.is(peer.transport, 'tcp')
    t.is(peer.address, address)
    const pinned = join(await t.tmp(), 'pinned')
    const again = await finished(t, clone(writer.key, ['--peer', `${peer.peer}@${address}`], pinned), pinned)
    t.is(again.address, address)
  }
)

namespaceTest(
  'a forwarded port suffices without a DHT',
  async (t) => {
    const options = { kind: ['symmetric', 'symmetric'], args: ['--bootstrap', 'none'] } as const
    const { share, clone, mirror, boxes, forward } = await openScene(t, options)
    forward(1, 4000)
    // Either end's port will do.
    const writer = await share(['--peer', `${boxes[1]}:4000`])
    await finished(t, clone(writer.key, ['--port', '4000']), mirror)
  },
  alone
)
