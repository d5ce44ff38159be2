import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { type Command, startClone, startShare } from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const isRoot = process.getuid?.() === 0

/** Makes one of each: opening a FIFO would block, and opening some devices has effects. */
async function makeSpecial(t: Assert, directory: string): Promise<string[]> {
  const names = ['fifo', 'socket']
  execFileSync('mkfifo', [join(directory, 'fifo')])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve))
  t.teardown(() => server.close())
  if (isRoot) {
    execFileSync('mknod', [join(directory, 'zero'), 'c', '1', '5'])
    execFileSync('mknod', [join(directory, 'block'), 'b', '7', '200'])
    names.push('block', 'zero')
  }
  return names.sort()
}

function problemPaths(command: Command): string[] {
  return command.events.flatMap((event) => (event.type === 'problem' ? [event.path] : [])).sort()
}

/** The type and the identity of the file at a path. */
function identityOf(path: string): string {
  const { mode, ino } = lstatSync(path)
  return `${mode} ${ino}`
}

test('a FIFO, a socket and devices in a shared folder are skipped and reported, and block nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'a'), 'before')
  const names = await makeSpecial(t, source)
  writeFileSync(join(source, 'zz'), 'behind')
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  t.alike(problemPaths(writer), names)
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  t.is(readFileSync(join(mirror, 'zz'), 'utf8'), 'behind')

  // A FIFO replaces a file of a running folder: the mirror removes or keeps its copy of the file, but nothing blocks.
  rmSync(join(source, 'a'))
  execFileSync('mkfifo', [join(source, 'a')])
  writeFileSync(join(source, 'later'), 'later')
  await until(() => problemPaths(writer).includes('a'), { what: 'a problem with the FIFO' })
  await until(() => lstatSync(join(mirror, 'later'), { throwIfNoEntry: false }), { what: 'the later file' })
  for (const name of names) t.absent(lstatSync(join(mirror, name), { throwIfNoEntry: false }), name)
  t.is(await writer.kill('SIGTERM'), 130)
})

test('a FIFO, a socket and devices in the way of a mirror stay, are reported, and block nothing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), await t.tmp()]
  mkdirSync(join(mirror, 'deep'))
  const names = await makeSpecial(t, mirror)
  renameSync(join(mirror, 'fifo'), join(mirror, 'deep/fifo'))
  const paths = names.map((name) => (name === 'fifo' ? 'deep/fifo' : name)).sort()
  const before = paths.map((path) => identityOf(join(mirror, path)))
  mkdirSync(join(source, 'deep'))
  // One of them is in the way of a directory.
  for (const path of paths.filter((name) => name !== 'socket')) writeFileSync(join(source, path), `file ${path}`)
  mkdirSync(join(source, 'socket'))
  writeFileSync(join(source, 'socket/beneath'), 'beneath')
  writeFileSync(join(source, 'zz'), 'behind')
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')

  const once = startClone(t, writer.key, mirror, { bootstrap, args: ['--once', '--adopt'] })
  t.is(await once.exit(), 3)
  t.alike(problemPaths(once), [...paths, 'socket/beneath'].sort())
  for (const event of once.events) {
    if (event.type === 'problem' && event.path !== 'socket/beneath') matches(t, event.message, /FIFO, socket or device/)
  }
  t.is(readFileSync(join(mirror, 'zz'), 'utf8'), 'behind')
  t.alike(
    paths.map((path) => identityOf(join(mirror, path))),
    before
  )

  // One FIFO appears while the mirror runs; another is moved out of the way.
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  rmSync(join(mirror, 'zz'))
  execFileSync('mkfifo', [join(mirror, 'zz')])
  rmSync(join(mirror, 'deep/fifo'))
  writeFileSync(join(source, 'zz'), 'changed')
  writeFileSync(join(source, 'deep/fifo'), 'changed too')
  writeFileSync(join(source, 'zzz'), 'last')
  await until(() => lstatSync(join(mirror, 'zzz'), { throwIfNoEntry: false }), { what: 'the last file' })
  await until(() => problemPaths(reader).includes('zz'), { what: 'a problem with the new FIFO' })
  t.ok(lstatSync(join(mirror, 'zz')).isFIFO())
  await until(() => lstatSync(join(mirror, 'deep/fifo'), { throwIfNoEntry: false })?.isFile(), { what: 'the file' })
  t.is(readFileSync(join(mirror, 'deep/fifo'), 'utf8'), 'changed too')
  t.is(await reader.kill('SIGTERM'), 130)
})
