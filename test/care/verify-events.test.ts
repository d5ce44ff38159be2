import { test } from 'brittle'
import { Findings, type VerifyEvent } from '../../src/care/verify-events.ts'

test('findings count the events that pass, and sum them up at the end', (t) => {
  const findings = new Findings()
  const events: readonly VerifyEvent[] = [
    { type: 'damaged', what: 'store', message: 'm' },
    { type: 'damaged', what: 'file', path: 'a', message: 'm' },
    { type: 'damaged', what: 'state', message: 'm' },
    { type: 'repaired', what: 'file', path: 'a' },
    { type: 'unrepaired', what: 'store', message: 'm' },
    { type: 'diverged', path: 'b' },
    { type: 'unclear', path: 'c', message: 'm' },
    { type: 'unclear', path: 'd', message: 'm' },
    { type: 'verifying', part: 'files', done: 1, total: 2 }
  ]
  for (const event of events) t.is(findings.take(event), event)
  findings.counts.files = 5
  findings.counts.filesTotal = 10
  const zeros = { bytes: 0, bytesTotal: 0, blocks: 0, blocksTotal: 0, blockBytes: 0 }
  const ends = { damaged: 3, repaired: 1, left: 2, diverged: 1, unclear: 2, sample: 0.5 }
  t.alike(findings.end(0.5), { type: 'verified', files: 5, filesTotal: 10, ...zeros, ...ends })
})
