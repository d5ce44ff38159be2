import { test } from 'brittle'
import type { SyncEvent } from '../../src/folder/monitor.ts'
import { DivergenceLog } from '../../src/mirror/divergence-log.ts'
import type { Divergence } from '../../src/tree/plan.ts'
import { pathOf } from '../support/entries.ts'

const changed = (path: string): Divergence => ({ path: pathOf(path), kind: 'changed' })

test('each divergence is reported once, until it is forgotten or becomes another', (t) => {
  const events: SyncEvent[] = []
  const log = new DivergenceLog({ emit: (event) => events.push(event) })
  const report = (diverged: readonly Divergence[], full: boolean) => {
    events.length = 0
    log.report({ diverged }, full)
    return events.map((event) => event.type === 'diverged' && `${event.path} ${event.kind}`)
  }
  t.alike(report([changed('a'), changed('b')], true), ['a changed', 'b changed'])
  t.alike(report([changed('a'), changed('b')], true), [], 'the next full pass finds them again')
  t.alike(report([changed('c')], false), ['c changed'])
  t.alike(report([changed('a')], false), ['a changed'], 'a pass over changes finds only new ones: it has changed again')
  t.alike(report([{ path: pathOf('a'), kind: 'deleted' }, changed('b')], true), ['a deleted'])
  log.forget(pathOf('b'))
  t.alike(report([{ path: pathOf('a'), kind: 'deleted' }, changed('b')], true), ['b changed'])
  t.alike(report([], true), [])
  t.alike(report([changed('b')], true), ['b changed'], 'it was gone in between')
})
