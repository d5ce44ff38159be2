import { test } from 'brittle'
import { FolderQueue } from '../../src/folder/folder-queue.ts'

test('one runs after the other, also after one that fails', async (t) => {
  const queue = new FolderQueue()
  const did: string[] = []
  const run = (name: string, fail = false) =>
    queue.run(async () => {
      did.push(`${name} begins`)
      await new Promise<void>((resolve) => setImmediate(resolve))
      did.push(`${name} ends`)
      if (fail) throw new Error(name)
      return name
    })
  const [a, b, c] = [run('a'), run('b', true), run('c')]
  t.ok(queue.areWanted, 'others wait')
  t.is(await a, 'a')
  await t.exception(() => b, /b/)
  t.is(await c, 'c')
  t.absent(queue.areWanted, 'nobody waits any more')
  t.alike(did, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('held passes wait; operations do not', async (t) => {
  const queue = new FolderQueue()
  const did: string[] = []
  const release = queue.holdPasses()
  const pass = queue.pass(async () => did.push('pass'))
  await queue.run(async () => did.push('operation'))
  t.alike(did, ['operation'])
  t.ok(queue.areWanted, 'a pass that runs should end')
  release()
  await pass
  t.alike(did, ['operation', 'pass'])
  t.absent(queue.areWanted)
})
