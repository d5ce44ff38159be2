import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { readMarker } from '../../src/disk/state/marker.ts'
import { openFolder } from '../../src/folder/folder.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { untilAborted } from '../../src/folder/until-aborted.ts'
import { parseKey } from '../../src/log/hypercore/store.ts'
import type { ConnectOptions } from '../../src/peers/connections.ts'
import { FolderNetwork } from '../../src/session/folder-network.ts'
import { openSession } from '../../src/session/open-session.ts'
import type { Session } from '../../src/session/session.ts'
import { codeOf } from '../support/failure.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

const isolated: ConnectOptions = { bootstrap: [], lan: false }
const publish = { poll: false, pollIntervalMs: 2000, rescanIntervalMs: 600_000, checksum: false }
const inPlaceAbove = 1024 * 1024

/** Claims a directory and opens sessions in it, with the events of all of them. */
async function claim(
  t: Assert,
  root: string,
  role: 'writer' | 'reader',
  options: ConnectOptions & { key?: string } = {}
) {
  const folder = openFolder(root, { role, ...(options.key === undefined ? {} : { key: options.key }) })
  t.teardown(() => folder.lock.release(), { order: 2 })
  const monitor = new Monitor()
  const events: SyncEvent[] = []
  monitor.subscribe((event) => events.push(event))
  const network = new FolderNetwork({ ...isolated, ...options, offline: false, monitor, onFailure: () => {} })
  network.claim(folder.home)
  const common = { monitor, network, onFailure: () => false, inPlaceAbove, isIdle: false }
  const open = async (): Promise<Session> => {
    const session = await openSession(
      folder,
      role === 'writer'
        ? { ...common, publish }
        : {
            ...common,
            follow: {
              key: parseKey(options.key ?? ''),
              safeLinks: false,
              keepReplaced: undefined,
              onStateOpen: async () => {}
            }
          }
    )
    t.teardown(() => session.close(), { order: 1 })
    return session
  }
  const seen = (type: SyncEvent['type']) => until(() => events.some((event) => event.type === type), { what: type })
  return { folder, network, events, seen, open }
}

async function sourceOf(t: Assert): Promise<string> {
  const root = join(await t.tmp(), 'source')
  mkdirSync(root)
  writeFileSync(join(root, 'a.txt'), 'one')
  return root
}

test('a session publishes, another follows it, and both close', async (t) => {
  const port = await freePort()
  const source = await claim(t, await sourceOf(t), 'writer', { port })
  const writing = await source.open()
  t.is(readMarker(source.folder.root)?.key, writing.key, 'the key is claimed')
  t.ok(writing.publishes !== undefined && writing.follows === undefined)
  t.is(writing.loop.holds, undefined, 'no loop runs by itself')
  writing.loop.start()
  await source.seen('up-to-date')
  t.is(writing.loop.totals.files, 1)

  const mirrorRoot = join(await t.tmp(), 'mirror')
  mkdirSync(mirrorRoot)
  const peers = [{ host: '127.0.0.1', port }]
  const mirror = await claim(t, mirrorRoot, 'reader', { key: writing.key, peers })
  const following = await mirror.open()
  t.ok(following.follows !== undefined && following.publishes === undefined)
  following.loop.start()
  await mirror.seen('in-sync')
  t.is(readFileSync(join(mirrorRoot, 'a.txt'), 'utf8'), 'one')
  t.is(following.loop.holds, writing.loop.holds)
  const { received } = mirror.network.traffic
  t.ok(received > 0)

  await following.close()
  t.ok(mirror.network.traffic.received >= received, 'what was received stays counted')
  const again = await mirror.open()
  await again.loop.workspace()
  t.is(again.loop.holds, writing.loop.holds, 'the next session goes on with the same databases')
})

test('a session that fails to open closes what it has opened', async (t) => {
  const root = await sourceOf(t)
  const bad = await claim(t, root, 'writer', { allow: ['no key'] })
  t.is(await codeOf(() => bad.open()), 'BAD_KEY', 'connecting comes last')
  bad.folder.lock.release()
  // Its databases could not be opened while others have them open.
  const good = await claim(t, root, 'writer')
  const session = await good.open()
  t.is(session.key, readMarker(root)?.key)
  await session.close()
})

test('a session that is closed twice closes once, and ends its operations', async (t) => {
  const { open } = await claim(t, await sourceOf(t), 'writer')
  const session = await open()
  const operation = session.tasks.run(undefined, (signal) => untilAborted(new Promise<never>(() => {}), signal))
  const code = codeOf(() => operation)
  await Promise.all([session.close(), session.close()])
  t.is(await code, 'CLOSED')
})

test('a paused folder makes no pass, and connects only when it is resumed', async (t) => {
  const port = await freePort()
  const { network, events, seen, open } = await claim(t, await sourceOf(t), 'writer', { port })
  t.ok(await network.pause(undefined))
  const session = await open()
  network.holdIfPaused(session.queue)
  session.loop.start()
  t.is(network.whyNoPeers, 'It is not connected to any network.')
  t.is(await session.queue.run(async () => 'operated'), 'operated')
  t.absent(events.some(({ type }) => type === 'up-to-date'))
  t.ok(await network.resume())
  await seen('up-to-date')
  t.not(network.whyNoPeers, 'It is not connected to any network.')
  t.ok(await network.pause(session.queue))
  await session.close()
  t.ok(network.isPaused, 'closing does not end the pause')
})
