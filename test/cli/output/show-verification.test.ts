import { test } from 'brittle'
import { verificationLine } from '../../../src/cli/output/show-verification.ts'
import type { VerifyEvent } from '../../../src/index.ts'

const verified: Extract<VerifyEvent, { type: 'verified' }> = {
  type: 'verified',
  files: 2,
  filesTotal: 2,
  bytes: 20,
  bytesTotal: 20,
  blocks: 1,
  blocksTotal: 1,
  blockBytes: 9,
  damaged: 0,
  repaired: 0,
  left: 0,
  diverged: 0,
  unclear: 0,
  sample: 1
}

const cases: ReadonlyArray<[name: string, event: VerifyEvent, line: string]> = [
  ['nothing damaged', verified, 'Read 2 files (20 B) and 1 block (9 B): nothing is damaged'],
  [
    'a sample with local changes',
    { ...verified, sample: 0.05, filesTotal: 40, diverged: 3 },
    'Read 2 files of 40 (20 B) and 1 block (9 B): nothing is damaged, 3 changed here'
  ],
  [
    'damage without a repair',
    { ...verified, damaged: 1, left: 1 },
    'Read 2 files (20 B) and 1 block (9 B): 1 damaged, 0 repaired. Give --repair'
  ],
  [
    'a repair without a peer',
    { ...verified, damaged: 2, repaired: 1, left: 1 },
    'Read 2 files (20 B) and 1 block (9 B): 2 damaged, 1 repaired. The rest needs a peer that has it: try again when one is connected'
  ],
  [
    'a full repair',
    { ...verified, damaged: 2, repaired: 2 },
    'Read 2 files (20 B) and 1 block (9 B): 2 damaged, 2 repaired'
  ]
]
for (const [name, event, line] of cases) {
  test(`the last line of a verification tells of ${name}`, (t) => t.is(verificationLine(event, false), line))
}

test('local changes show with --verbose only', (t) => {
  const event: VerifyEvent = { type: 'diverged', path: 'a\nb' }
  t.is(verificationLine(event, false), undefined)
  t.is(verificationLine(event, true), 'changed here: a\\nb')
})
