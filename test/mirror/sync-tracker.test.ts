import { test } from 'brittle'
import { SyncTracker } from '../../src/mirror/sync-tracker.ts'
import type { Version } from '../../src/tree/tree.ts'
import { headOf } from '../support/log.ts'

const go = new AbortController().signal

/** A log of facts that a test sets. */
class FactLog {
  version: Version | undefined = { fork: 1, length: 5 }
  newest = true
  partial = false
  blocks = 7
  heads = 0

  readonly carried = (version: Version): Version => ({ fork: this.version?.fork ?? 0, length: version.length })

  isNewest(): boolean {
    return this.newest
  }

  async received(): Promise<number> {
    return this.blocks
  }

  async head() {
    this.heads++
    return headOf({ partial: this.partial })
  }
}

function stateOf(log: FactLog, applied = log.version) {
  return { log, checkpoint: { applied }, unfinished: undefined }
}

test('a mirror becomes in sync once, and again after a new version', async (t) => {
  const [log, sync] = [new FactLog(), new SyncTracker()]
  t.absent(sync.isInSync)
  t.ok(await sync.check([stateOf(log)], false, go))
  t.ok(sync.isInSync)
  t.alike(sync.at(log), { fork: 1, length: 5 })
  t.absent(await sync.check([stateOf(log)], false, go), 'it was before')
  t.is(log.heads, 1, 'the head is read only when it matters')

  log.version = { fork: 1, length: 6 }
  t.absent(await sync.check([stateOf(log, { fork: 1, length: 5 })], false, go))
  t.absent(sync.isInSync, 'behind')
  t.ok(await sync.check([stateOf(log)], false, go))
})

test('a version without changes, and a new fork of the same history, leave it in sync', async (t) => {
  const [log, sync] = [new FactLog(), new SyncTracker()]
  await sync.check([stateOf(log)], false, go)
  sync.advance(log, { fork: 1, length: 8 })
  log.version = { fork: 2, length: 8 }
  sync.carry()
  t.absent(await sync.check([stateOf(log)], false, go), 'nothing new')
  t.ok(sync.isInSync)
})

test('of two logs both have to be in sync', async (t) => {
  const [own, other, sync] = [new FactLog(), new FactLog(), new SyncTracker()]
  other.newest = false
  t.absent(await sync.check([stateOf(own), stateOf(other)], false, go))
  other.newest = true
  t.ok(await sync.check([stateOf(own), stateOf(other)], false, go))
  t.ok(sync.at(own) !== undefined && sync.at(other) !== undefined)
  other.newest = false
  t.absent(await sync.check([stateOf(own), stateOf(other)], false, go))
  t.absent(sync.isInSync)
})

test('while a writer announces more, and something has just come, it is not in sync', async (t) => {
  const [log, sync] = [new FactLog(), new SyncTracker()]
  log.partial = true
  t.absent(await sync.check([stateOf(log)], false, go))
  log.partial = false
  t.ok(await sync.check([stateOf(log)], false, go))
})

test('pinned, it is in sync at its version', (t) => {
  const [log, sync] = [new FactLog(), new SyncTracker()]
  log.newest = false
  const pinned = { fork: 1, length: 3 }
  t.absent(sync.checkPinned(stateOf(log), pinned, false), 'another version is applied')
  t.absent(sync.checkPinned(stateOf(log, pinned), undefined, false), 'the version is unknown')
  t.ok(sync.checkPinned(stateOf(log, pinned), pinned, false))
  t.absent(sync.checkPinned(stateOf(log, pinned), pinned, false), 'it was before')
  t.ok(sync.isInSync)
  sync.clear()
  t.absent(sync.isInSync)
})
