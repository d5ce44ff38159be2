import { test } from 'brittle'
import { FailureReport } from '../../src/mirror/failure-report.ts'

test('an error is reported once, until it clears', (t) => {
  const reported: unknown[] = []
  const failures = new FailureReport({ error: (error) => reported.push(error) }, () => false)
  const [first, second] = [new Error('one'), new Error('two')]
  t.absent(failures.clear(), 'nothing was reported')
  failures.report(first)
  failures.report(new Error('one'))
  t.alike(reported, [first])
  failures.report(second)
  t.alike(reported, [first, second])
  t.ok(failures.clear())
  t.absent(failures.clear())
  failures.report(second)
  t.alike(reported, [first, second, second])
})

test('an error that closes the mirror is left to its owner', (t) => {
  const failures = new FailureReport({ error: () => t.fail('reported') }, () => true)
  failures.report(new Error('full'))
  t.absent(failures.clear())
})
