import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Assert, test } from 'brittle'
import { takeLock } from '../../../src/disk/path/lock.ts'
import { SyncError } from '../../../src/errors.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { failureOf } from '../../support/failure.ts'

/** Starts a process that holds the lock on `path`. */
async function holder(t: Assert, path: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../../support/hold-lock.js', import.meta.url))
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

/** The message of the refused lock. */
async function refusal(path: string): Promise<string> {
  const error = await failureOf(() => takeLock(path, 'The folder'))
  return error instanceof SyncError && error.code === 'LOCKED' ? error.message : `no refusal: ${error}`
}

test('a process can take a lock once, and again after its release', async (t) => {
  const path = join(await t.tmp(), 'lock')
  const lock = takeLock(path, 'The folder')
  const message = await refusal(path)
  t.ok(message.startsWith('The folder is in use by another p2psync'))
  t.ok(message.includes(`process ${process.pid} on ${hostname()}`))
  lock.release()
  takeLock(path, 'The folder').release()
})

test('a refused lock names the pid of its holder', async (t) => {
  const path = join(await t.tmp(), 'lock')
  const child = await holder(t, path)
  t.ok((await refusal(path)).includes(`process ${child.pid} on`))
  t.ok((await refusal(path)).includes(`process ${child.pid} on`), 'a refused attempt does not take the lock')
})

test('a lock is free as soon as its holder is killed', async (t) => {
  const path = join(await t.tmp(), 'lock')
  const child = await holder(t, path)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = takeLock(path, 'The folder')
  t.ok((await refusal(path)).includes(`process ${process.pid} on`), 'the message names the new holder')
  lock.release()
})

test('a refused or released lock leaves no descriptor open', { skip: !tellsDescriptors }, async (t) => {
  const path = join(await t.tmp(), 'lock')
  const before = descriptorCount()
  const lock = takeLock(path, 'The folder')
  await refusal(path)
  t.is(descriptorCount(), before + 1)
  lock.release()
  t.is(descriptorCount(), before)
})
