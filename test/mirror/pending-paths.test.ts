import { test } from 'brittle'
import { PendingPaths } from '../../src/mirror/pending-paths.ts'
import { fileOf, pathOf } from '../support/entries.ts'
import { tree } from '../support/trees.ts'

const [a, b] = [pathOf('a'), pathOf('b')]
const target = tree({ a: fileOf('a') })

test('failed paths are pending, with what the version wants there, until they succeed', (t) => {
  const pending = new PendingPaths()
  t.ok(pending.isEmpty)
  t.absent(pending.isDue(0), 'nothing to try')
  t.absent(pending.tried(new Set([a, b]), target, new Set([a, b]), { hurried: false }))
  t.alike(
    [...pending.entries],
    [
      [a, fileOf('a')],
      [b, undefined]
    ]
  )
  pending.tried(new Set([a]), target, new Set(), { hurried: false })
  t.alike([...pending.entries.keys()], [b], 'only tried paths are solved')
  pending.clear()
  t.ok(pending.isEmpty)
})

test('a path that failed waits; one that changed is tried again at once, five times', (t) => {
  const pending = new PendingPaths()
  const tryAgain = (hurried: boolean) => pending.tried(new Set([a]), target, new Set([a]), { hurried })
  tryAgain(false)
  t.absent(pending.isDue(0), 'it has just been tried')
  t.absent(pending.isHurried)
  for (let i = 1; i < 5; i++) {
    t.absent(tryAgain(true))
    t.ok(pending.isHurried && pending.isDue(1e9), `try ${i}`)
  }
  t.ok(tryAgain(true), 'used up')
  t.absent(pending.isHurried)
  t.absent(pending.isDue(0))
  tryAgain(false)
  t.absent(tryAgain(true), 'a try without changes begins the count anew')
  t.ok(pending.isHurried)
})
