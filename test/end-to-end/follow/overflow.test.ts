import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'

const limitFile = '/proc/sys/fs/inotify/max_queued_events'

/** How many events the kernel queues for a watcher, or 0 if unknown. */
function queuedEventsMax(): number {
  try {
    return Number(readFileSync(limitFile, 'utf8'))
  } catch {
    return 0
  }
}

const limit = queuedEventsMax()
const skip = limit === 0 || limit > 100_000

test('changes that overflow the queue of notifications arrive nevertheless', { skip }, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [folder, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (const directory of ['busy', 'quiet']) mkdirSync(join(folder, directory))
  for (const path of ['busy/a', 'busy/b', 'quiet/changed', 'quiet/deleted']) writeFileSync(join(folder, path), path)
  const env = { NODE_DEBUG: 'p2psync:watch' }
  const share = await startShare(t, folder, { bootstrap, env, args: ['--rescan-interval', '1h'] })
  startClone(t, share.key, mirror, { bootstrap })
  await waitUntilEqual(t, folder, mirror)
  process.kill(share.pid, 'SIGSTOP')
  try {
    // Two files in turn: the kernel merges equal consecutive events.
    for (let i = 0; i < limit; i++) for (const name of ['a', 'b']) utimesSync(join(folder, 'busy', name), i, i)
    writeFileSync(join(folder, 'quiet/new'), 'new')
    writeFileSync(join(folder, 'quiet/changed'), 'other')
    rmSync(join(folder, 'quiet/deleted'))
    mkdirSync(join(folder, 'quiet/directory/deep'), { recursive: true })
    writeFileSync(join(folder, 'quiet/directory/deep/file'), 'deep')
  } finally {
    process.kill(share.pid, 'SIGCONT')
  }
  await waitUntilEqual(t, folder, mirror)
  t.ok(share.stderr.includes('events in one turn'), 'the overflow was noticed')

  // Directories whose creation went unnoticed are watched from now on.
  writeFileSync(join(folder, 'quiet/directory/deep/later'), 'later')
  await waitUntilEqual(t, folder, mirror)
})
