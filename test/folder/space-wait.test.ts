import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { openFolder } from '../../src/folder/folder.ts'
import { SpaceWait } from '../../src/folder/space-wait.ts'

test('waiting for space ends on a disk that has some, or when it is aborted', async (t) => {
  const root = join(await t.tmp(), 'folder')
  mkdirSync(root)
  const folder = openFolder(root, { role: 'writer' })
  t.teardown(() => folder.lock.release())
  const wait = new SpaceWait()
  t.ok(/^No space left on the disk of .* \(\d+ MB free\)/.test(wait.describe(folder)))
  const end = new AbortController()
  end.abort()
  await wait.until(folder, end.signal)
  t.pass('aborted')
  wait.reset()
  await wait.until(folder, new AbortController().signal)
  t.pass('there is space')
})
