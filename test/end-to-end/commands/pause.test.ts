import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start, startClone, startShare } from '../../support/cli.ts'
import { patientTimeout } from '../../support/hang.ts'
import { type OutputRecord, run, socketsOf } from '../../support/reading.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

test('a paused folder stays paused after a restart, and catches up after resume', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  writeFileSync(join(source, 'file'), '1')
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  const statusOf = async (folder: string) => (await run(t, ['status', folder, '--json'])).records[0] as OutputRecord
  const held = () => readFileSync(join(mirror, 'file'), 'utf8')

  // The mirror is paused, its source runs.
  t.is((await run(t, ['pause', mirror])).status, 0)
  t.is((await run(t, ['pause', mirror])).status, 0, 'pausing twice changes nothing')
  const paused = await statusOf(mirror)
  t.alike([paused.state, paused.peers], ['paused', []])
  matches(t, String(paused.reason), /^Paused\. `p2psync resume` continues it/)
  await until(async () => ((await statusOf(source)).peers as unknown[]).length === 0, { what: 'the mirror to go' })
  let from = writer.events.length
  writeFileSync(join(source, 'file'), '2')
  const second = await writer.event('published', () => true, from)
  t.is(held(), '1')
  t.is((await run(t, ['cat', mirror, 'file'])).stdout, '1', 'it stays readable')
  const waiting = await run(t, ['wait', mirror, '--version', String(second.version), '--timeout', '300ms'])
  t.is(waiting.status, 13)
  matches(t, waiting.stderr, /Paused\./)

  // The mirror stays paused after a restart, and ends at once.
  t.is(await reader.kill('SIGINT'), 130)
  const resting = await statusOf(mirror)
  t.is(resting.state, 'stopped')
  matches(t, String(resting.reason), /Paused, and no process runs it/)
  const again = startClone(t, writer.key, mirror, { bootstrap })
  await again.event('paused' as never)
  t.is((await statusOf(mirror)).state, 'paused')
  t.is(await again.kill('SIGINT'), 130)
  const third = startClone(t, writer.key, mirror, { bootstrap })
  await third.event('paused' as never)
  t.is(held(), '1')
  t.alike((await run(t, ['resume', mirror, '--json'])).records, [{ type: 'paused', paused: false }])
  t.is((await run(t, ['wait', mirror, '--version', String(second.version), ...patientTimeout])).status, 0)
  t.is(held(), '2')
  t.alike((await run(t, ['wait', mirror, '--json'])).records, [{ type: 'held', version: second.version }])

  // The source is paused: it publishes no changes.
  t.is((await run(t, ['pause', source])).status, 0)
  from = writer.events.length
  writeFileSync(join(source, 'file'), '3')
  writeFileSync(join(source, 'new'), 'new')
  t.is((await run(t, ['wait', source, '--version', String(second.version + 1), '--timeout', '1s'])).status, 13)
  t.absent(writer.events.slice(from).some(({ type }) => type === 'published'))
  t.is((await statusOf(source)).state, 'paused')
  t.is((await run(t, ['resume', source])).status, 0)
  await writer.event('published', () => true, from)
  await until(() => held() === '3' && existsSync(join(mirror, 'new')), { what: 'the mirror to follow' })
  t.is((await run(t, ['wait', source, ...patientTimeout])).status, 0)
})

test('a stopped folder can be paused, and wait lasts until it runs', async (t) => {
  const source = join(await t.tmp(), 'folder')
  mkdirSync(source)
  const first = await startShare(t, source, { bootstrap: 'none' })
  await first.event('up-to-date')
  await first.kill('SIGTERM')
  t.is((await run(t, ['pause', source])).status, 0)
  writeFileSync(join(source, 'file'), 'content')
  const waiting = start(t, ['wait', source, '--json', ...patientTimeout])
  const second = await startShare(t, source, { bootstrap: 'none' })
  await second.event('paused' as never)
  t.ok(waiting.running)
  t.is((await run(t, ['resume', source])).status, 0)
  t.is(await waiting.exit(), 0)
  const { version } = await second.event('published')
  t.is(version, JSON.parse(waiting.stdout).version)

  t.is((await run(t, ['pause', source])).status, 0)
  await second.kill('SIGTERM')
  t.is((await run(t, ['resume', source])).status, 0)
  const third = await startShare(t, source, { bootstrap: 'none' })
  await third.event('up-to-date')
  const interrupted = start(t, ['wait', source, '--version', '999'])
  await until(() => socketsOf(interrupted) > 2, { what: 'it to ask, beside its output and its errors' })
  t.is((await run(t, ['ls', source])).stdout, 'file\n')
  t.is(await interrupted.kill('SIGINT'), 130)
  t.is(interrupted.stderr, '')
})

test('status shows role, versions, differences, and the reason for what is missing', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (const name of ['diverged', 'conflict', 'gone']) writeFileSync(join(source, name), 'content')
  writeFileSync(join(source, 'back\\slash'), '')
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  const { version: first } = await reader.event('in-sync')
  const statusOf = async (folder: string) => (await run(t, ['status', folder, '--json'])).records[0] as OutputRecord
  const [ofSource, ofMirror] = [await statusOf(source), await statusOf(mirror)]
  const facts = ({ role, key, state, version, newest, percent, files, bytes }: OutputRecord) => [
    role,
    key,
    state,
    version,
    newest,
    percent,
    files,
    bytes
  ]
  t.alike(facts(ofSource), ['writer', writer.key, 'done', first, first, 100, 3, 21])
  t.alike(facts(ofMirror), ['reader', writer.key, 'done', first, first, 100, 3, 21])
  t.alike(
    (ofSource.problems as OutputRecord[]).map(({ path }) => path),
    ['back\\slash']
  )
  t.alike(
    [ofSource, ofMirror].map(({ peers }) => (peers as OutputRecord[]).map(({ type }) => type)),
    [['peer'], ['peer']]
  )
  t.is((await run(t, ['peers', mirror, '--json'])).records.length, 1)
  t.absent('reason' in ofMirror)
  t.ok(Number(ofMirror.durableMs) > 1.7e12)

  writeFileSync(join(mirror, 'diverged'), 'my own')
  writeFileSync(join(mirror, 'conflict'), 'my own')
  rmSync(join(mirror, 'gone'))
  const from = writer.events.length
  writeFileSync(join(source, 'conflict'), 'another')
  const { version: second } = await writer.event('published', () => true, from)
  t.is((await run(t, ['wait', mirror, '--version', String(second), ...patientTimeout])).status, 0)
  const after = await statusOf(mirror)
  t.alike(
    (after.conflicts as OutputRecord[]).map(({ path }) => path),
    ['conflict']
  )

  await writer.kill('SIGTERM')
  await until(async () => ((await statusOf(mirror)).peers as OutputRecord[]).length === 0, { what: 'the source to go' })
  t.is((await run(t, ['peers', mirror])).stderr, 'No peers\n')
  // A new folder has no known version.
  t.is((await run(t, ['ls', mirror])).status, 0)
  t.is((await run(t, ['log', mirror])).status, 0)
  const differences = (await run(t, ['diff', mirror, '--stat', '--json'])).records.map(
    ({ type, path }) => `${type} ${path}`
  )
  const kept = `added ${String((after.conflicts as OutputRecord[])[0]?.keptAs)}`
  t.alike(differences.sort(), [kept, 'changed diverged', 'removed gone'].sort())

  await reader.kill('SIGTERM')
  const resting = await statusOf(mirror)
  t.alike(facts(resting), ['reader', writer.key, 'stopped', second, second, 100, 3, 21])
  matches(t, String(resting.reason), /No process runs it\. Start it: p2psync clone/)
  t.alike(facts(await statusOf(source)), ['writer', writer.key, 'stopped', second, second, 100, 3, 21])

  const alone = startClone(t, writer.key, mirror, { bootstrap })
  await alone.event('ready')
  const again = await until(
    async () => {
      const status = await statusOf(mirror)
      return status.version !== undefined && status
    },
    { what: 'its version' }
  )
  t.alike([again.version, again.files, again.bytes], [second, 3, 21], 'known right after a restart')
  matches(t, String(again.reason), /^No peers: /)
  const differ = (status: OutputRecord) =>
    (status.diverged as OutputRecord[]).map(({ path, kind }) => `${path} ${kind}`).sort()
  const isTold = async () => differ(await statusOf(mirror)).join() === 'diverged changed,gone deleted'
  await until(isTold, { what: 'what differs' })
  const text = (await run(t, ['status', mirror])).stdout
  matches(t, text, /\(a mirror\)/)
  t.ok(
    text.split('\n').every((line) => line.length <= 80),
    text
  )
})
