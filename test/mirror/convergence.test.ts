import { test } from 'brittle'
import {
  type Convergence,
  convergence,
  type LogFacts,
  partialQuietMs,
  pinnedConvergence
} from '../../src/mirror/convergence.ts'

const v1 = { fork: 1, length: 5 }
const v2 = { fork: 1, length: 9 }
const otherFork = { fork: 2, length: 9 }

/** All is applied, a peer says that there is no more, and the writer has announced no more. */
const reached: LogFacts = {
  version: v2,
  applied: v2,
  inSync: undefined,
  isNewest: true,
  isUnfinished: false,
  isPartial: false,
  quietMs: 0
}

const table: ReadonlyArray<[name: string, facts: Partial<LogFacts>, isHurried: boolean, decision: Convergence]> = [
  ['all is applied and nobody has more', {}, false, 'in-sync'],
  ['before the first version', { version: undefined, applied: undefined }, false, 'behind'],
  ['nothing is applied', { applied: undefined }, false, 'behind'],
  ['an earlier version is applied', { applied: v1 }, false, 'behind'],
  ['a version of another fork is applied', { applied: otherFork }, false, 'behind'],
  ['no peer is there, or one has more', { isNewest: false }, false, 'behind'],
  ['pending paths are tried again at once', {}, true, 'behind'],
  ['the head is not read', { isPartial: undefined }, false, 'head-needed'],
  ['the first scan of the writer goes on', { isPartial: true }, false, 'waiting'],
  [
    'the same, just before the writer counts as gone',
    { isPartial: true, quietMs: partialQuietMs - 1 },
    false,
    'waiting'
  ],
  ['the same, once the writer counts as gone', { isPartial: true, quietMs: partialQuietMs }, false, 'in-sync'],
  ['the log ends within a version', { isUnfinished: true, applied: v1, isPartial: undefined }, false, 'waiting'],
  [
    'the same, once the writer counts as gone',
    { isUnfinished: true, applied: v1, isPartial: undefined, quietMs: partialQuietMs },
    false,
    'in-sync'
  ],
  [
    'within a version, before any was applied',
    { isUnfinished: true, applied: undefined, quietMs: 1e6 },
    false,
    'behind'
  ],
  ['it was in sync at this version', { inSync: v2, isPartial: undefined }, false, 'in-sync'],
  ['it was, and paths were pending since', { inSync: v2 }, true, 'in-sync'],
  ['it was, and the peers have gone', { inSync: v2, isNewest: false }, false, 'behind'],
  ['it was at an earlier version', { inSync: v1, applied: v1 }, false, 'behind']
]

for (const [name, facts, isHurried, decision] of table) {
  test(`one log: ${name}`, (t) => {
    t.is(convergence([{ ...reached, ...facts }], isHurried), decision)
  })
}

test('in sync means in sync with every log', (t) => {
  const partial = { ...reached, isPartial: true }
  const behind = { ...reached, applied: v1 }
  t.is(convergence([reached, reached], false), 'in-sync')
  t.is(convergence([reached, behind], false), 'behind')
  t.is(convergence([behind, reached], false), 'behind')
  t.is(convergence([reached, partial], false), 'waiting')
  t.is(convergence([partial, behind], false), 'behind')
  t.is(convergence([reached, { ...reached, isPartial: undefined }], false), 'head-needed')
  t.is(
    convergence(
      [
        { ...reached, inSync: v2 },
        { ...reached, inSync: v2, isNewest: false }
      ],
      false
    ),
    'behind'
  )
})

test('a pinned mirror is in sync at its version, whatever peers have', (t) => {
  t.is(pinnedConvergence({ pinned: v1, applied: v1, inSync: undefined }, false), 'in-sync')
  t.is(pinnedConvergence({ pinned: undefined, applied: undefined, inSync: undefined }, false), 'behind')
  t.is(pinnedConvergence({ pinned: v1, applied: v2, inSync: v2 }, false), 'behind')
  t.is(pinnedConvergence({ pinned: v1, applied: v1, inSync: undefined }, true), 'behind')
  t.is(pinnedConvergence({ pinned: v1, applied: v1, inSync: v1 }, true), 'in-sync')
})
