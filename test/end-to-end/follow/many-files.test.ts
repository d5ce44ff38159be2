import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { inotifyWatchCount, tellsDescriptors } from '../../support/descriptors.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'

const files = 10_000
/** Peak memory allowed on either side, in megabytes. The V8 of later Nodes lets its young generation grow. */
const peakMax = Number(process.versions.node.split('.')[0]) < 22 ? 260 : 420

test('a directory of very many files is shared and renamed with little memory, few watches and no transfer', {
  skip: !tellsDescriptors
}, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [folder, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  mkdirSync(join(folder, 'many'))
  for (let i = 0; i < files; i++) writeFileSync(join(folder, 'many', `file with a name ${i}.txt`), `content ${i}`)
  const share = await startShare(t, folder, { bootstrap })
  const clone = startClone(t, share.key, mirror, { bootstrap })
  const { version } = await share.event('up-to-date')
  await clone.event('in-sync', (event) => event.version >= version)
  await waitUntilEqual(t, folder, mirror)
  t.ok(inotifyWatchCount(share.pid) <= 4, `${inotifyWatchCount(share.pid)} watches`)

  const inodes = inodesIn(join(mirror, 'many'))
  renameSync(join(folder, 'many'), join(folder, 'moved'))
  const renamed = await share.event('published', ({ removals }) => removals > 0)
  await clone.event('applied', (event) => event.version === renamed.version)
  t.alike([renamed.puts, renamed.removals, renamed.stored], [files + 1, files + 1, 0], 'one version, nothing stored')
  await waitUntilEqual(t, folder, mirror)
  t.alike(inodesIn(join(mirror, 'moved')), inodes, 'the mirror moved the files themselves')
  for (const { pid } of [share, clone]) t.ok(peakOf(pid) <= peakMax, `a peak of ${peakOf(pid)} MB`)
})

function inodesIn(directory: string): number[] {
  return readdirSync(directory).map((name) => lstatSync(join(directory, name)).ino)
}

/** Peak memory of a process, in megabytes. */
function peakOf(pid: number): number {
  const kibibytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round((Number(kibibytes) * 1024) / 1e6)
}
