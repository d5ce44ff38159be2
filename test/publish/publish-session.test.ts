import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { PublishSession } from '../../src/publish/publish-session.ts'
import { pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { Share } from '../support/share.ts'

async function openSession(t: Assert, files: Readonly<Record<string, string>>) {
  const share = await Share.open(t, files)
  const context = share.context()
  const session = await PublishSession.open(context, new LiveBaseline(share.blocks))
  return { share, session, tracker: context.tracker, context }
}

test('the first pass publishes the folder, and later ones what is marked', async (t) => {
  const { share, session, tracker } = await openSession(t, { a: 'a', 'dir/b': 'b' })
  await session.pass(true)
  t.alike([...(await share.entries()).keys()], ['a', 'dir', 'dir/b'])
  const first = share.version
  const events = share.events.length
  await session.pass(false)
  t.alike([share.version, share.events.length], [first, events], 'nothing is marked')
  share.write('a', 'changed')
  share.write('c', 'new')
  tracker.mark(pathOf('c'), 'shallow')
  await session.pass(false)
  t.alike([...(await share.entries()).keys()], ['a', 'c', 'dir', 'dir/b'])
  t.is(share.eventsOf('published').at(-1)?.puts, 1, 'the other path is not marked')
  rmSync(share.at('dir'), { recursive: true })
  tracker.markAll()
  await session.pass(false)
  t.alike([...(await share.entries()).keys()], ['a', 'c'])
  t.is(share.eventsOf('up-to-date').at(-1)?.version, share.version.length)
})

test('a file that has moved with its directory is not read again', async (t) => {
  const { share, session, tracker } = await openSession(t, { 'old/a': 'a' })
  await session.pass(true)
  const blocks = share.writer.content.length
  renameSync(share.at('old'), share.at('new'))
  tracker.markAll()
  await session.pass(false)
  t.alike([...(await share.entries()).keys()], ['new', 'new/a'])
  t.is(share.writer.content.length, blocks)
})

test('new ignore rules are read before what they leave out is', async (t) => {
  const { share, session, tracker } = await openSession(t, {})
  await session.pass(true)
  share.write('a.log', 'a')
  share.write('.p2psyncignore', '*.log\n')
  tracker.mark(pathOf('a.log'), 'shallow')
  tracker.mark(pathOf('.p2psyncignore'), 'shallow')
  await session.pass(false)
  t.alike([...(await share.entries()).keys()], ['.p2psyncignore'])
})

test('a pass that fails leaves everything to be scanned again', async (t) => {
  const { share, session, tracker } = await openSession(t, { a: 'a' })
  await session.pass(true)
  const marker = share.at('.p2psync/folder.json')
  share.write('b', 'b')
  tracker.mark(pathOf('b'), 'shallow')
  renameSync(marker, `${marker}.away`)
  t.is(await codeOf(() => session.pass(false)), 'HALTED')
  t.ok(tracker.hasNews, 'before the scan')
  renameSync(`${marker}.away`, marker)
  rmSync(share.at('b'))
  mkdirSync(share.at('b'))
  await session.pass(false)
  t.is((await share.entries()).get('b')?.type, 'directory')
})

test('a stopped session throws in the middle, with all marked', async (t) => {
  const stop = new AbortController()
  const share = await Share.open(t, { a: 'a' })
  const context = share.context({ signal: stop.signal })
  const session = await PublishSession.open(context, new LiveBaseline(share.blocks))
  stop.abort(new Error('stopped'))
  await t.exception(() => session.pass(true), /stopped/)
  t.ok(context.tracker.hasNews)
  t.is(share.writer.version, undefined)
})
