import { test } from 'brittle'
import { DatabaseFailure, SyncError } from '../../src/errors.ts'
import {
  decideRecovery,
  failureOf,
  openingFailureOf,
  type RecoveryAction,
  type RecoveryFacts,
  withAdvice
} from '../../src/session/recovery-decision.ts'

const failures = {
  none: undefined,
  'full store': new DatabaseFailure('store', 'DISK_FULL', 'full', undefined),
  'full disk': new SyncError('DISK_FULL', 'full'),
  'damaged store': new DatabaseFailure('store', 'DAMAGED', 'damaged', undefined),
  'damaged state': new DatabaseFailure('state', 'DAMAGED', 'damaged', undefined),
  'taken port': new SyncError('PORT_IN_USE', 'taken')
} as const

const facts: RecoveryFacts = { phase: 'working', isIdle: false, isSpaceFreed: undefined, isStateRenewed: false }

const cases: ReadonlyArray<[failure: keyof typeof failures, facts: Partial<RecoveryFacts>, action: RecoveryAction]> = [
  ['none', { phase: 'working' }, 'leave-to-loop'],
  ['none', { phase: 'working', isIdle: true }, 'leave-to-loop'],
  ['none', { phase: 'opening' }, 'give-up'],

  ['full store', { phase: 'opening' }, 'free-space'],
  ['full store', { phase: 'opening', isSpaceFreed: true }, 'reopen'],
  ['full store', { phase: 'opening', isSpaceFreed: false }, 'give-up'],
  ['full store', { phase: 'working' }, 'free-space'],
  ['full store', { phase: 'working', isIdle: true }, 'free-space'],
  ['full store', { phase: 'reopening' }, 'free-space'],
  ['full store', { phase: 'reopening', isSpaceFreed: true }, 'reopen'],
  ['full store', { phase: 'reopening', isSpaceFreed: false }, 'await-space'],
  ['full disk', { phase: 'reopening', isSpaceFreed: false }, 'await-space'],

  ['damaged state', { phase: 'opening' }, 'renew-state'],
  ['damaged state', { phase: 'opening', isStateRenewed: true }, 'give-up'],
  ['damaged state', { phase: 'working' }, 'renew-state'],
  ['damaged state', { phase: 'working', isIdle: true }, 'keep-open'],
  ['damaged state', { phase: 'reopening' }, 'renew-state'],
  ['damaged state', { phase: 'reopening', isIdle: true }, 'renew-state'],

  ['damaged store', { phase: 'opening' }, 'give-up'],
  ['damaged store', { phase: 'working' }, 'give-up'],
  ['damaged store', { phase: 'working', isIdle: true }, 'keep-open'],
  ['damaged store', { phase: 'reopening' }, 'give-up'],

  ['taken port', { phase: 'opening' }, 'give-up'],
  ['taken port', { phase: 'reopening' }, 'give-up']
]
for (const [failure, given, action] of cases) {
  const name = Object.entries(given)
    .map(([fact, value]) => `${fact} ${value}`)
    .join(', ')
  test(`${failure}, ${name}: ${action}`, (t) => {
    t.is(decideRecovery(failures[failure], { ...facts, ...given }), action)
  })
}

const store = '/folder/.p2psync/store'
const engineError = Object.assign(new Error('IO error: while reading'), { code: 'EIO' })
const systemError = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' })

test('a loop gets over errors that are of no database by trying again', (t) => {
  t.is(failureOf(systemError, store), undefined)
  t.is(failureOf(new SyncError('HALTED', 'not mounted'), store), undefined)
  t.is(failureOf(failures['full disk'], store), failures['full disk'])
  t.is(failureOf(failures['damaged state'], store), failures['damaged state'])
  t.is(failureOf(engineError, store)?.code, 'DAMAGED')
})

test('an opening that failed has a failure, whatever was thrown', (t) => {
  const halted = new SyncError('HALTED', 'not mounted')
  t.is(openingFailureOf(halted, store), halted)
  t.is(openingFailureOf(engineError, store).code, 'DAMAGED')
  t.is(openingFailureOf('odd', store).code, 'DAMAGED')
})

test('advice goes with a damaged store alone', (t) => {
  t.is(withAdvice(failures['damaged store'], 'Do this').message, 'damaged. Do this')
  t.is(withAdvice(failures['damaged state'], 'Do this'), failures['damaged state'])
  t.is(withAdvice(failures['full store'], 'Do this'), failures['full store'])
})
