import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { DatabaseFailure, SyncError } from '../../src/errors.ts'
import { openFolder } from '../../src/folder/folder.ts'
import { Monitor, type SyncEvent } from '../../src/folder/monitor.ts'
import { Recovery } from '../../src/session/recovery.ts'
import { failureOf } from '../support/failure.ts'
import { until } from '../support/until.ts'

const full = () => new DatabaseFailure('store', 'DISK_FULL', 'full', undefined)
const damagedState = () => new DatabaseFailure('state', 'DAMAGED', 'The state is damaged', undefined)
const damagedStore = () => new DatabaseFailure('store', 'DAMAGED', 'The store is damaged', undefined)

interface Given {
  /** What opening a session throws, one after the other; later ones open. */
  readonly failures?: readonly unknown[]
  /** Bytes that freeing space frees, one after the other; later ones free nothing. */
  readonly freed?: readonly number[]
  readonly isIdle?: boolean
  /** The path of the state, where it isn't the folder's own. */
  readonly state?: string
  /** Runs within each opening of a session. */
  readonly onOpen?: (recovery: Recovery) => void
}

/** A recovery of a real folder whose sessions are only counted, with what it did. */
async function recoveryOf(t: Assert, { failures = [], freed = [], isIdle = false, state, onOpen }: Given = {}) {
  const root = join(await t.tmp(), 'folder')
  mkdirSync(root)
  const folder = openFolder(root, { role: 'writer' })
  t.teardown(() => folder.lock.release())
  mkdirSync(folder.state)
  writeFileSync(join(folder.state, 'CURRENT'), 'bad')
  const [openings, spaces] = [[...failures], [...freed]]
  const did: string[] = []
  const events: SyncEvent[] = []
  const monitor = new Monitor()
  monitor.subscribe((event) => events.push(event))
  const recovery: Recovery = new Recovery({
    folder: state === undefined ? folder : { ...folder, state },
    monitor,
    advice: 'Restore it',
    isIdle,
    open: async () => {
      did.push('open')
      onOpen?.(recovery)
      const failure = openings.shift()
      if (failure !== undefined) throw failure
    },
    close: async () => {
      did.push('close')
      throw new Error('A damaged session may fail to close')
    },
    freeSpace: () => {
      did.push('free')
      return spaces.shift() ?? 0
    },
    onGivenUp: ({ message }) => did.push(`give up: ${message}`)
  })
  t.teardown(() => recovery.stop())
  const opened = (count: number) =>
    until(() => did.filter((it) => it === 'open').length === count, { what: `opening ${count}` })
  return { recovery, folder, did, events, opened }
}

test('the first opening renews a damaged state once', async (t) => {
  const { recovery, folder, did, events } = await recoveryOf(t, { failures: [damagedState()] })
  await recovery.openFirst()
  t.alike(did, ['open', 'open'])
  t.absent(existsSync(folder.state))
  t.alike(events, [], "whoever opened it needn't know")
})

test('the first opening fails when the renewed state is damaged too', async (t) => {
  const again = damagedState()
  const { recovery, did } = await recoveryOf(t, { failures: [damagedState(), again] })
  t.is(await failureOf(() => recovery.openFirst()), again)
  t.alike(did, ['open', 'open'])
})

test('the first opening frees space for as long as there is any to free, and waits for none', async (t) => {
  const failures = [full(), full(), full()]
  const { recovery, did } = await recoveryOf(t, { failures, freed: [1, 1] })
  t.is(await failureOf(() => recovery.openFirst()), failures[2])
  t.alike(did, ['open', 'free', 'open', 'free', 'open', 'free'])
})

test('the first opening throws other errors as they are, and advises on a damaged store', async (t) => {
  const odd = new TypeError('odd')
  const first = await recoveryOf(t, { failures: [odd] })
  t.is(await failureOf(() => first.recovery.openFirst()), odd)
  const second = await recoveryOf(t, { failures: [damagedStore()] })
  const failure = await failureOf(() => second.recovery.openFirst())
  t.is((failure as SyncError).message, 'The store is damaged. Restore it')
})

test('a damaged state is renewed while the folder is at work', async (t) => {
  const { recovery, folder, did, events, opened } = await recoveryOf(t)
  t.ok(recovery.onFailure(damagedState()))
  t.ok(recovery.onFailure(damagedState()), 'what comes meanwhile changes nothing')
  await opened(1)
  t.alike(did, ['close', 'open'])
  t.absent(existsSync(folder.state))
  t.alike(
    events.map((event) => event.type === 'notice' && event.message),
    ['The state is damaged. p2psync rebuilds it and rescans the folder']
  )
})

test('a damaged store ends the folder, with an event', async (t) => {
  const { recovery, did, events } = await recoveryOf(t)
  t.ok(recovery.onFailure(damagedStore()))
  await until(() => did.length === 2, { what: 'the end' })
  t.alike(did, ['close', 'give up: The store is damaged. Restore it'])
  t.alike(events, [{ type: 'error', code: 'DAMAGED', message: 'The store is damaged. Restore it' }])
})

test('an idle folder stays open, damaged as it is; a loop tries other errors again', async (t) => {
  const { recovery, did } = await recoveryOf(t, { isIdle: true })
  t.ok(recovery.onFailure(damagedStore()))
  t.absent(recovery.onFailure(new Error('other')))
  t.absent(recovery.onFailure(new SyncError('HALTED', 'not mounted')))
  await recovery.stop()
  t.alike(did, [])
})

test('a full disk is freed as far as it can be, then waited for; reported once until the folder has caught up', async (t) => {
  const { recovery, did, events, opened } = await recoveryOf(t, { failures: [full()], freed: [1] })
  recovery.onFailure(full())
  // The disk of the test has space: waiting for it ends after a few seconds.
  await opened(2)
  t.alike(did, ['close', 'free', 'open', 'close', 'free', 'open'])
  t.alike(
    events.map((event) => event.type === 'error' && event.code),
    ['DISK_FULL']
  )
  recovery.caughtUp()
  recovery.caughtUp()
  t.is(events.filter(({ type }) => type === 'notice').length, 1, 'that it goes on is told once')
})

test('a folder that is closed while it waits for space opens no session', async (t) => {
  const { recovery, did, events } = await recoveryOf(t)
  recovery.onFailure(full())
  await until(() => events.length > 0, { what: 'the report' })
  await recovery.stop()
  t.ok(recovery.onFailure(full()), 'and none is opened later')
  t.alike(did, ['close', 'free'])
})

test('a failure before the first session is open is recovered from when it is', async (t) => {
  const meanwhile = [damagedState()]
  const { recovery, did, opened } = await recoveryOf(t, {
    onOpen: (it) => {
      const failure = meanwhile.shift()
      if (failure !== undefined) t.ok(it.onFailure(failure))
    }
  })
  const opening = recovery.openFirst()
  t.alike(did, ['open'], 'no other session is opened beside it')
  await opening
  await opened(2)
  t.alike(did, ['open', 'close', 'open'])
})

test('a state that can neither be used nor deleted ends the folder, with an event', async (t) => {
  // No user can delete a path with a zero byte, not even root.
  const { recovery, did, events } = await recoveryOf(t, { state: 'a\0b' })
  t.ok(recovery.onFailure(damagedState()))
  await until(() => did.some((it) => it.startsWith('give up: ')), { what: 'the end' })
  t.absent(did.includes('open'))
  t.is(events.at(-1)?.type, 'error')
})

test('a closed folder is not opened again deliberately', async (t) => {
  const { recovery, did } = await recoveryOf(t)
  await recovery.stop()
  t.is(((await failureOf(() => recovery.reopen(() => did.push('between')))) as SyncError).code, 'CLOSED')
  t.alike(did, [])
})

test('deliberate reopenings wait for each other', async (t) => {
  const { recovery, did } = await recoveryOf(t)
  await Promise.all([recovery.reopen(() => did.push('first')), recovery.reopen(() => did.push('second'))])
  t.alike(did, ['close', 'first', 'open', 'close', 'second', 'open'])
})

test('a deliberate reopening changes the databases between two sessions', async (t) => {
  const { recovery, folder, did } = await recoveryOf(t)
  await recovery.reopen((at) => {
    t.is(at, folder)
    did.push('between')
  })
  t.alike(did, ['close', 'between', 'open'])
})

test('a deliberate reopening fails as opening does', async (t) => {
  const odd = new Error('odd')
  const { recovery, did } = await recoveryOf(t, { failures: [odd] })
  t.is(await failureOf(() => recovery.reopen(() => {})), odd)
  await recovery.reopen(() => {})
  t.alike(did, ['close', 'open', 'close', 'open'], 'and another may do')
})
