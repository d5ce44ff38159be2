import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'brittle'
import { FolderQueue } from '../../src/folder/folder-queue.ts'
import { reconcileState } from '../../src/publish/writer-state.ts'
import { hashOf, pathOf } from '../support/entries.ts'
import { failureOf } from '../support/failure.ts'
import { quiet } from '../support/quiet.ts'
import { Share } from '../support/share.ts'
import { until } from '../support/until.ts'

test('follows a folder: puts, edits and removals become versions', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const publisher = share.publisher(t)
  const published = share.next('up-to-date')
  publisher.start()
  await published
  t.is(publisher.totals.files, 1)
  const holds = (path: string, text: string | undefined) =>
    until(
      async () => {
        const entry = (await share.entries()).get(path)
        return text === undefined ? entry === undefined : entry?.type === 'file' && entry.hash === hashOf(text)
      },
      { what: `${path} in the log` }
    )
  share.write('dir/b', 'b')
  await holds('dir/b', 'b')
  share.write('a', 'changed')
  await holds('a', 'changed')
  rmSync(share.at('dir'), { recursive: true })
  await holds('dir/b', undefined)
  await publisher.close()
  t.is(publisher.totals.files, 1)
})

test('a second run finds nothing new', async (t) => {
  const share = await Share.open(t, { a: 'a', 'dir/b': 'b' })
  const first = await share.publish(t)
  t.alike(await share.publish(t), first)
  t.is(share.eventsOf('published').length, 1)
})

test('with a checksum, a file that keeps its signature is read all the same', async (t) => {
  const share = await Share.open(t, { a: 'good' })
  await share.publish(t)
  await share.state.commit((batch) => batch.forget('applied'))
  const read = async (checksum: boolean) => {
    const from = share.events.length
    const publisher = share.publisher(t, { poll: true, checksum })
    const published = share.next('up-to-date')
    publisher.start()
    await published
    await publisher.close()
    return share.events
      .slice(from)
      .flatMap((event) => (event.type === 'progress' && event.phase === 'publish' ? [event.filesTotal] : []))
  }
  t.ok((await read(false)).every((files) => files === 0))
  t.ok((await read(true)).includes(1))
})

test('a failure is told once, and work goes on when it is over', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  let failures = 0
  const onFailure = () => {
    failures++
    return false
  }
  const publisher = share.publisher(t, { poll: true, pollMs: 50, onFailure })
  const marker = share.at('.p2psync/folder.json')
  renameSync(marker, `${marker}.away`)
  publisher.start()
  await until(() => failures > 1, { what: 'a second attempt' })
  t.is(share.eventsOf('error')[0]?.code, 'HALTED')
  const published = share.next('up-to-date')
  renameSync(`${marker}.away`, marker)
  await published
  t.is(share.eventsOf('error').length, 1)
  t.ok(share.eventsOf('notice').some(({ message }) => message.startsWith('Going on with')))
})

test('a failure that closes the folder ends the loop', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const failures: unknown[] = []
  const publisher = share.publisher(t, { onFailure: (error) => failures.push(error) > 0 })
  rmSync(share.at('.p2psync/folder.json'))
  publisher.start()
  await until(() => failures.length > 0, { what: 'the failure' })
  await publisher.close()
  t.alike([failures.length, share.eventsOf('error')], [1, []])
})

test('its workspace is there without the loop, and knows the rules', async (t) => {
  const share = await Share.open(t, { a: 'a', '.p2psyncignore': '*.log\n' })
  await share.publish(t)
  const publisher = share.publisher(t)
  t.is(publisher.totals.files, 0, 'nothing is opened yet')
  const workspace = await publisher.queue.run(() => publisher.workspace())
  t.alike(workspace.version, share.version)
  t.ok(workspace.rules?.ignores(pathOf('b.log'), 'other'))
  t.alike([...workspace.baseline.records.keys()].sort(), ['.p2psyncignore', 'a'])
  t.is(publisher.totals.files, 2)
  const record = workspace.baseline.records.get(pathOf('a'))
  if (record === undefined) throw new Error('no record')
  await workspace.record({
    put: new Map([[pathOf('a'), { entry: record.entry, signature: 'new' }]]),
    removed: new Set()
  })
  t.is(workspace.baseline.records.get(pathOf('a'))?.signature, 'new')
  t.is((await share.state.baseline()).get(pathOf('a'))?.signature, 'new')
})

test('passes wait while others hold them', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const publisher = share.publisher(t)
  const release = publisher.queue.holdPasses()
  publisher.start()
  await publisher.queue.run(() => publisher.workspace())
  t.is(share.writer.version, undefined)
  const published = share.next('up-to-date')
  release()
  await published
  t.ok(share.version)
})

test('works on the queue and the baseline that another loop lends', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const queue = new FolderQueue()
  let opened = 0
  const openBaseline = () => {
    opened++
    return reconcileState(share.state, share.writer, share.blocks, () => {})
  }
  const publisher = share.publisher(t, { queue, openBaseline })
  t.is(publisher.queue, queue)
  const published = share.next('up-to-date')
  publisher.start()
  await published
  t.is(opened, 1)
  t.is(publisher.totals.files, 1)
})

test('a baseline that cannot be opened is told, and opened again', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  let left = 1
  const openBaseline = async () => {
    if (left-- > 0) throw new Error('not yet')
    return reconcileState(share.state, share.writer, share.blocks, () => {})
  }
  const publisher = share.publisher(t, { openBaseline })
  t.ok((await failureOf(() => publisher.workspace())) instanceof Error)
  t.is(publisher.totals.files, 0)
  await publisher.workspace()
  t.is(left, -1)
})

test('a file that keeps changing is published when it settles', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const publisher = share.publisher(t)
  const published = share.next('up-to-date')
  publisher.start()
  await published
  writeFileSync(share.at('a'), 'b')
  await quiet(share.at('a'))
  utimesSync(share.at('a'), 1, 1)
  const isThere = async () => {
    const entry = (await share.entries()).get('a')
    return entry?.type === 'file' && entry.hash === hashOf('b') && entry.mtimeMs === 1000
  }
  t.ok(await until(isThere, { what: 'the last state' }))
})
