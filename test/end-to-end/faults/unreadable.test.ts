import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import {
  type Command,
  canBeOrdinary,
  giveToOrdinaryUser,
  packageRoot,
  start,
  startClone,
  startShare
} from '../../support/cli.ts'
import { matches } from '../../support/says.ts'
import { differences, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'

/** A folder shared by an ordinary user, and a mirror in sync. */
async function startPair(t: Assert, args: readonly string[] = []) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = await t.tmp()
  mkdirSync(join(source, 'album/sub'), { recursive: true })
  for (const path of ['album/a', 'album/sub/b', 'letter', 'other']) writeFileSync(join(source, path), path)
  giveToOrdinaryUser(source)
  const writer = await startShare(t, source, { bootstrap, args, ordinary: true })
  const reader = startClone(t, writer.key, giveToOrdinaryUser(mirror), { bootstrap, ordinary: true })
  await waitUntilEqual(t, source, mirror)
  return { bootstrap, source, mirror, writer, reader }
}

function published(command: Command): { puts: number; removals: number } {
  const sum = { puts: 0, removals: 0 }
  for (const event of command.events) {
    if (event.type !== 'published') continue
    sum.puts += event.puts
    sum.removals += event.removals
  }
  return sum
}

test('a path that becomes unreadable is reported, not deleted, and followed again when readable', {
  skip: !canBeOrdinary
}, async (t) => {
  const { bootstrap, source, mirror, writer } = await startPair(t, ['--poll', '100ms'])
  t.teardown(() => chmodSync(join(source, 'album'), 0o755), { order: 0 })
  chmodSync(join(source, 'album'), 0)
  writeFileSync(join(source, 'letter'), 'longer than before')
  chmodSync(join(source, 'letter'), 0)
  for (const path of ['album', 'letter']) {
    const { message } = await writer.event('problem', (problem) => problem.path === path)
    matches(t, message, /^Can't be read: permission denied\. What is recorded of it stays$/)
  }
  const before = writer.events.length
  writeFileSync(join(source, 'other'), 'other, changed')
  await writer.event('published', ({ puts }) => puts === 1, before)
  t.is(readFileSync(join(mirror, 'album/sub/b'), 'utf8'), 'album/sub/b')
  t.is(readFileSync(join(mirror, 'letter'), 'utf8'), 'letter')
  t.is(published(writer).removals, 0)

  await writer.kill('SIGTERM')
  const scan = start(t, ['scan', source, '--json'], { ordinary: true })
  t.is(await scan.exit(), 3, 'the exit status says that some paths had problems')
  t.is(published(scan).removals, 0)
  chmodSync(join(source, 'album'), 0o755)
  chmodSync(join(source, 'letter'), 0o644)
  t.is(await start(t, ['scan', source], { ordinary: true }).exit(), 0)
  await startShare(t, source, { bootstrap, ordinary: true })
  await waitUntilEqual(t, source, mirror)
})

test('an unreadable path in a mirror is left alone, and reported with --once', { skip: !canBeOrdinary }, async (t) => {
  const { bootstrap, source, mirror, writer, reader } = await startPair(t)
  await reader.kill('SIGTERM')
  t.teardown(() => chmodSync(join(mirror, 'album'), 0o755), { order: 0 })
  chmodSync(join(mirror, 'album'), 0)
  writeFileSync(join(source, 'album/a'), 'changed')
  writeFileSync(join(source, 'other'), 'changed')
  await writer.event('published', ({ puts }) => puts > 1)
  const once = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'], ordinary: true })
  t.is(await once.exit(), 3)
  t.is(readFileSync(join(mirror, 'other'), 'utf8'), 'changed', 'other changes arrive')
  chmodSync(join(mirror, 'album'), 0o755)
  const again = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'], ordinary: true })
  t.is(await again.exit(), 0)
  t.alike(differences(source, mirror), [])
})

const strace = ['/usr/bin/strace', '/bin/strace'].find((path) => existsSync(path))

for (const [what, path, calls] of [
  ['a file', 'letter', 'read,pread64'],
  ['a directory', 'album', 'getdents64']
] as const) {
  test(`${what} with a disk error is reported, and not deleted`, {
    skip: strace === undefined
  }, async (t) => {
    const source = await t.tmp()
    mkdirSync(join(source, 'album/sub'), { recursive: true })
    for (const name of ['album/a', 'album/sub/b', 'letter']) writeFileSync(join(source, name), name)
    const program = join(packageRoot, 'dist/bin/p2psync.js')
    const first = await startShare(t, source, {})
    await first.event('up-to-date')
    await first.kill('SIGTERM')
    writeFileSync(join(source, 'new'), 'new')

    const at = join(source, path)
    const trace = ['-f', '--seccomp-bpf', '-o', '/dev/null', '-P', at, '-e', `inject=${calls}:error=EIO`]
    const args = [...trace, process.execPath, program, 'scan', source, '--json', '--checksum']
    let [status, output] = [0, '']
    try {
      output = execFileSync(strace as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    } catch (error) {
      ;({ status, stdout: output } = error as { status: number; stdout: string })
    }
    t.is(status, 3)
    const events = output
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    const problems = events.filter(({ type }) => type === 'problem')
    t.is(problems.length, 1)
    t.is(problems[0].path, path)
    matches(t, problems[0].message, /i\/o error/)
    t.alike(
      events.filter(({ type }) => type === 'published').map(({ removals, files }) => [removals, files]),
      [[0, 4]],
      'the new file is published, and no removal'
    )
  })
}
