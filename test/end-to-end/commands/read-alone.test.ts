import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../../support/bytes.ts'
import { start, startClone, startShare } from '../../support/cli.ts'
import { run, socketsOf } from '../../support/reading.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('a mirror cloned from a snapshot is readable without its source', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const files = 2000
  for (let d = 0; d < 20; d++) {
    mkdirSync(join(source, `d${d}`))
    for (let i = 0; i < files / 20; i++) writeFileSync(join(source, `d${d}/f${i}`), `${d}.${i}`)
  }
  writeFileSync(join(source, 'large'), bytesOf(2_000_000, 1))
  const writer = await startShare(t, source, { bootstrap })
  const { version: first } = await writer.event('up-to-date')
  t.is(await startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] }).exit(), 0)

  const command = (...args: string[]) => run(t, args)
  const readsAlone = async (how: string) => {
    const [top, below, file, differences] = await Promise.all([
      command('ls', mirror),
      command('ls', mirror, '-R', '--json'),
      command('cat', mirror, 'd7/f42'),
      command('diff', mirror)
    ])
    t.is(top.stdout.split('\n').length, 22, `${how}: the top`)
    t.is(below.records.filter(({ kind }) => kind === 'file').length, files + 1, `${how}: everything`)
    t.is(file.stdout, '7.42', `${how}: a file`)
    t.alike([differences.status, differences.stdout], [0, ''], `${how}: nothing differs`)
  }
  await readsAlone('at rest')
  const log = await command('log', mirror)
  t.is(log.status, 13)
  matches(t, log.stderr, /Not all of the history is here yet.*NOT_HELD/)
  const back = await command('ls', `${mirror}@-1`)
  t.is(back.status, 13)
  matches(t, back.stderr, /Not all of version \d+ of the log is here yet.*NOT_HELD/)

  // Running, but without peers.
  await writer.kill('SIGTERM')
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--keep-replaced', 'none'] })
  await reader.event('ready')
  await readsAlone('at work and alone')
  const interrupted = start(t, ['log', mirror])
  const [alone, lost] = await Promise.all([command('log', mirror), command('ls', `${mirror}@-1`), leaves()])
  t.alike([alone.status, lost.status], [13, 13])
  matches(t, alone.stderr, /no peer to fetch the rest from/)

  async function leaves() {
    await until(() => socketsOf(interrupted) > 2, { what: 'it to ask' })
    t.is(await interrupted.kill('SIGINT'), 130, 'whoever waits can leave')
    t.is(interrupted.stderr, '')
  }

  // The source returns, and an old content is gone for good.
  const again = await startShare(t, source, { bootstrap })
  const from = again.events.length
  writeFileSync(join(source, 'large'), bytesOf(2_000_000, 2))
  const { version: second } = await again.event('published', () => true, from)
  await reader.event('in-sync', ({ version }) => version === second)
  const history = await command('log', mirror, '--json')
  t.is(history.status, 0)
  t.is(history.records.filter(({ type }) => type === 'added').length, files + 21)
  await again.kill('SIGTERM')
  const old = await command('cat', `${mirror}@${first}`, 'large')
  t.is(old.status, 13)
  matches(t, old.stderr, new RegExp(`Its source had it until version ${second}`))
})

test('a stopped folder has many readers at once, even while it starts', async (t) => {
  const folder = await t.tmp()
  for (let i = 0; i < 50; i++) writeFileSync(join(folder, `${i}`), `${i}`)
  const first = await startShare(t, folder, { bootstrap: 'none' })
  await first.event('up-to-date')
  await first.kill('SIGTERM')
  const list = () => run(t, ['ls', folder])
  const starting = startShare(t, folder, { bootstrap: 'none' })
  const answers = await Promise.all([list(), list(), run(t, ['cat', folder, '7']), list(), starting.then(list)])
  for (const [i, { status, stdout, stderr }] of answers.entries()) {
    t.is(status, 0, stderr)
    if (i !== 2) t.is(stdout.split('\n').length, 51)
  }
  t.is(await (await starting).kill('SIGTERM'), 130)
})

test('an empty folder has an empty list, and a damaged store is an error', async (t) => {
  const folder = await t.tmp()
  const peer = await startShare(t, folder, { bootstrap: 'none' })
  await peer.event('up-to-date')
  for (const way of ['running', 'stopped']) {
    if (way === 'stopped') await peer.kill('SIGTERM')
    const [ls, log, status] = await Promise.all([
      run(t, ['ls', folder]),
      run(t, ['log', folder]),
      run(t, ['status', folder])
    ])
    t.alike(
      [ls.status, ls.stdout, log.status, log.stdout, status.status],
      [0, '', 0, '', 0],
      `${way}: ${ls.stderr}${log.stderr}`
    )
  }

  for (let i = 0; i < 300; i++) writeFileSync(join(folder, `${i}`), `${i}`)
  const again = await startShare(t, folder, { bootstrap: 'none' })
  await again.event('up-to-date')
  await again.kill('SIGTERM')
  const db = join(folder, '.p2psync/store/db')
  for (const name of readdirSync(db).filter((each) => /\.(sst|blob)$|^MANIFEST/.test(each))) {
    const bytes = readFileSync(join(db, name))
    for (let at = 50; at < bytes.length; at += 97) bytes[at] = (bytes[at] ?? 0) ^ 0x55
    writeFileSync(join(db, name), bytes)
  }
  for (const args of [
    ['ls', folder, '-R'],
    ['log', folder],
    ['status', folder]
  ]) {
    const { status, stderr } = await run(t, args)
    t.is(status, 15, `${args[0]}: ${stderr}`)
    t.absent(/\n\s+at /.test(stderr), 'no stack trace')
  }
})
