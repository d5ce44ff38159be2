import { test } from 'brittle'
import { Monitor } from '../../src/folder/monitor.ts'
import type { Outcome } from '../../src/mirror/apply-version.ts'
import { PendingPaths } from '../../src/mirror/pending-paths.ts'
import { recordOutcome } from '../../src/mirror/record-outcome.ts'
import type { TreePath } from '../../src/tree/path.ts'
import type { Problem } from '../../src/tree/tree.ts'
import { fileOf, pathOf } from '../support/entries.ts'
import { tree } from '../support/trees.ts'

const setOf = (...paths: readonly string[]): ReadonlySet<TreePath> => new Set(paths.map(pathOf))
const files = tree({ a: fileOf('a'), b: fileOf('b'), c: fileOf('c') })

function outcomeOf(outcome: Partial<Outcome>): Outcome {
  const paths = outcome.paths ?? setOf('a', 'b')
  return {
    plan: { steps: [], conflicts: [], diverged: [], settled: [], forgotten: [] },
    paths,
    target: { tree: files, paths, refused: new Set(), isRecorded: () => false },
    failed: new Set(),
    changed: new Set(),
    refused: new Set(),
    observeMs: 0,
    ...outcome
  }
}

function open() {
  const pruned: string[][] = []
  const records = {
    pending: new PendingPaths(),
    monitor: new Monitor(),
    staging: { prune: (kept: Iterable<unknown>) => void pruned.push([...kept].map((it) => JSON.stringify(it))) }
  }
  const problem = (path: string): Problem => ({ path, action: 'write', message: `no ${path}` })
  const problems = () => records.monitor.problems.map(({ path }) => path).sort()
  return { ...records, records, pruned, problem, problems }
}

test('failed paths are pending, and the parts of their files are kept', (t) => {
  const { records, pending, pruned } = open()
  recordOutcome(outcomeOf({ failed: setOf('a') }), false, records)
  t.alike([...pending.entries.keys()], ['a'])
  t.alike(pruned, [[JSON.stringify(fileOf('a'))]])
  recordOutcome(outcomeOf({ paths: setOf('b') }), false, records)
  t.alike([...pending.entries.keys()], ['a'], 'it was not tried')
  recordOutcome(outcomeOf({ paths: setOf('b') }), true, records)
  t.ok(pending.isEmpty, 'a full pass would have met it')
})

test('problems of planned paths are solved, except of failed and refused ones', (t) => {
  const { records, monitor, problem, problems } = open()
  for (const path of ['a', 'b', 'c', 'elsewhere']) monitor.problem(problem(path))
  const outcome = outcomeOf({ paths: setOf('a', 'b', 'c'), failed: setOf('a'), refused: new Set(['b']) })
  recordOutcome(outcome, false, records)
  t.alike(problems(), ['a', 'b', 'elsewhere'])
  recordOutcome(outcome, true, records)
  t.alike(problems(), ['a', 'b'])
})

test('a path that changes again and again becomes a problem', (t) => {
  const { records, problems } = open()
  const outcome = outcomeOf({ failed: setOf('a'), changed: setOf('a') })
  for (let i = 1; i < 5; i++) recordOutcome(outcome, false, records)
  t.alike(problems(), [])
  recordOutcome(outcome, false, records)
  t.alike(problems(), ['a'])
})
