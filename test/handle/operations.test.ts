import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { findFolder } from '../../src/folder/known-folder.ts'
import { ClonedFolderHandle } from '../../src/handle/cloned-folder-handle.ts'
import { ClosedFolder } from '../../src/handle/closed-folder.ts'
import type { FolderHandle } from '../../src/handle/folder-handle.ts'
import { openIdle } from '../../src/handle/open-idle.ts'
import { acts, operate } from '../../src/handle/operations.ts'
import { SharedFolderHandle } from '../../src/handle/shared-folder-handle.ts'
import { verifyFolder } from '../../src/handle/verify-folder.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

const isolated = { bootstrap: [], lan: false } as const
const { signal } = new AbortController()

async function allOf<T>(records: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const record of records) all.push(record)
  return all
}

/** What an operation yields, by the names of its fields. */
function run(handle: FolderHandle, name: string, params: Readonly<Record<string, unknown>> = {}) {
  return allOf(operate(handle, name, params, signal) as AsyncIterable<Record<string, unknown>>)
}

async function sourceOf(t: Assert): Promise<string> {
  const root = join(await t.tmp(), 'source')
  mkdirSync(root)
  writeFileSync(join(root, 'a.txt'), 'one')
  return root
}

/** A shared folder whose first version is published. */
async function shared(t: Assert, root: string, port?: number): Promise<SharedFolderHandle> {
  const handle = new SharedFolderHandle(root, { ...isolated, ...(port === undefined ? {} : { port }) })
  t.teardown(() => handle.close(), { order: 1 })
  const published = handle.published()
  await handle.ready()
  await published
  return handle
}

const changing: ReadonlyArray<[name: string, acts: boolean | undefined]> = [
  ['list', false],
  ['status', false],
  ['wait', false],
  ['pause', true],
  ['restore', true],
  ['gc', true],
  ['toString', undefined],
  ['none', undefined]
]
for (const [name, expected] of changing) {
  test(`${name} ${expected === undefined ? 'is no operation' : expected ? 'changes something' : 'changes nothing'}`, (t) => {
    t.is(acts(name), expected)
  })
}

test('a handle is not ready before it is opened, and has a status and a key afterwards', async (t) => {
  const root = await sourceOf(t)
  const handle = new SharedFolderHandle(root, isolated)
  t.is(await codeOf(() => handle.key), 'NOT_READY')
  t.is(await codeOf(() => handle.status()), 'NOT_READY')
  t.is(await codeOf(() => handle.source), 'NOT_READY')
  t.is(await codeOf(() => handle.pause()), 'NOT_READY')
  const open = await shared(t, root)
  const status = open.status()
  t.alike([status.role, status.state, status.files, status.key], ['writer', 'done', 1, open.key])
  t.is(status.version, open.holds)
  await open.close()
  t.is(await codeOf(() => open.source), 'NOT_READY')
  t.is(await codeOf(() => open.ready()), 'CLOSED')
  t.is(open.key.length, 52, 'its key stays known')
})

test('a directory that can not be claimed is let go of, and the handle closes', async (t) => {
  const root = await sourceOf(t)
  const first = await shared(t, root)
  const second = new SharedFolderHandle(root, isolated)
  t.is(await codeOf(() => second.ready()), 'LOCKED')
  await second.close()
  await first.close()
  await (await shared(t, root)).close()
})

test('a handle carries out operations, and refuses what is none', async (t) => {
  const handle = await shared(t, await sourceOf(t))
  const [version, entry] = await run(handle, 'list')
  t.alike([version?.type, entry?.path], ['version', 'a.txt'])
  t.alike(await run(handle, 'wait', { timeoutMs: 60_000 }), [{ type: 'held', version: handle.holds }])
  t.is(await codeOf(() => run(handle, 'wait', { version: '999', timeoutMs: 1 })), 'NO_PEER')
  t.is(await codeOf(() => run(handle, 'wait', { version: 'x' })), 'USAGE')
  t.is(await codeOf(() => run(handle, 'list', { odd: 1 })), 'USAGE')
  t.is(await codeOf(() => run(handle, 'toString')), 'USAGE')
  t.is(await codeOf(() => run(handle, 'revert')), 'FOLDER_ROLE')
  t.is(await codeOf(() => run(handle, 'select')), 'FOLDER_ROLE')
  t.alike(await run(handle, 'pause'), [{ type: 'paused', paused: true }])
  t.ok(handle.isPaused)
  t.alike(await run(handle, 'resume'), [{ type: 'paused', paused: false }])
  const [collected] = await run(handle, 'gc', { keepMs: 0, dryRun: true })
  t.is(collected?.type, 'gc')
  t.is((await run(handle, 'verify')).at(-1)?.type, 'verified')
})

test('a mirror follows, selects, and is looked at and verified when it is closed', async (t) => {
  const port = await freePort()
  const source = await shared(t, await sourceOf(t), port)
  const root = join(await t.tmp(), 'mirror')
  const mirror = new ClonedFolderHandle(source.key, root, { ...isolated, peers: [{ host: '127.0.0.1', port }] })
  t.teardown(() => mirror.close(), { order: 0 })
  t.is(mirror.key, source.key)
  t.is(await codeOf(() => mirror.select()), 'NOT_READY')
  const inSync = mirror.inSync()
  await mirror.ready()
  await inSync
  t.is(mirror.holds, source.holds)
  const [selection] = await run(mirror, 'select', { only: ['b*'] })
  t.alike(selection?.only, ['b*'])
  await until(() => mirror.status().files === 0, { what: 'the selection' })
  await mirror.select({ all: true })
  await until(() => mirror.status().files === 1, { what: 'all of it' })
  await mirror.close()

  const closed = await ClosedFolder.open(findFolder(root))
  const status = await closed.status()
  t.alike([status.role, status.state, status.version], ['reader', 'stopped', source.holds])
  await closed.close()

  const events = await allOf(verifyFolder(root))
  t.is(events.at(-1)?.type, 'verified')
  const idle = openIdle(findFolder(root), isolated)
  await idle.ready()
  t.is(await codeOf(() => run(idle, 'list', { path: 'none' })), 'NO_SUCH_PATH')
  await idle.close()
})

test('an attachment starts with the claim, and is closed with the folder', async (t) => {
  const did: string[] = []
  const handle = new SharedFolderHandle(await sourceOf(t), {
    ...isolated,
    idle: true,
    attach: async (_, { marker }) => {
      did.push(`attached to a ${marker.role}`)
      return { close: async () => void did.push('closed') }
    }
  })
  handle.subscribe(({ type }) => did.push(type))
  await handle.ready()
  await handle.close()
  await handle.close()
  t.alike(did, ['attached to a writer', 'ready', 'closed'])
})

test('an attachment that fails keeps the folder from opening, and lets go of it', async (t) => {
  const root = await sourceOf(t)
  const odd = new Error('odd')
  const handle = new SharedFolderHandle(root, { ...isolated, attach: () => Promise.reject(odd) })
  t.is(await failureOf(() => handle.ready()), odd)
  await (await shared(t, root)).close()
})
