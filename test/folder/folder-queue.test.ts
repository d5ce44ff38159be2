import { test } from 'brittle'
import { FolderQueue } from '../../src/folder/folder-queue.ts'

test('turns come one after the other, also after one that fails', async (t) => {
  const turns = new FolderQueue()
  const said: string[] = []
  const turn = (name: string, fail = false) =>
    turns.run(async () => {
      said.push(`${name} begins`)
      await new Promise<void>((resolve) => setImmediate(resolve))
      said.push(`${name} ends`)
      if (fail) throw new Error(name)
      return name
    })
  const [a, b, c] = [turn('a'), turn('b', true), turn('c')]
  t.ok(turns.areWanted, 'somebody waits')
  t.is(await a, 'a')
  await t.exception(() => b, /b/)
  t.is(await c, 'c')
  t.absent(turns.areWanted, 'nobody waits any more')
  t.alike(said, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('passes wait while they are held; what is asked for does not', async (t) => {
  const turns = new FolderQueue()
  const said: string[] = []
  const release = turns.holdPasses()
  const pass = turns.pass(async () => said.push('pass'))
  await turns.run(async () => said.push('asked for'))
  t.alike(said, ['asked for'])
  t.ok(turns.areWanted, 'a pass that is being made is to end')
  release()
  await pass
  t.alike(said, ['asked for', 'pass'])
  t.absent(turns.areWanted)
})
