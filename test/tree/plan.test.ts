import { test } from 'brittle'
import fc from 'fast-check'
import type { Entry } from '../../src/tree/entry.ts'
import { sameContent, sameEntry } from '../../src/tree/entry.ts'
import { isBeneath, type TreePath } from '../../src/tree/path.ts'
import { type Plan, planMirror, planPaths, type Step } from '../../src/tree/plan.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { directoryOf as directory, fileOf as file, pathOf as path, symlinkOf as symlink } from '../support/entries.ts'
import { FolderModel } from '../support/folder-model.ts'
import { holds, must } from '../support/property.ts'
import { anyBaseline, anyTree, tree } from '../support/trees.ts'

const nothing: Plan = { steps: [], conflicts: [], diverged: [], settled: [], forgotten: [] }
const at = path('f')
const v1 = file('v1')
const v2 = file('v2')
const v3 = file('v3')

const write = (entry: typeof v1 | ReturnType<typeof symlink>): Step => ({ op: 'write', path: at, entry })
const settled = { settled: [at] }
const forgotten = { forgotten: [at] }
const conflict = (have: Entry) => ({ conflicts: [{ path: at, have }] })
const diverged = (kind: 'changed' | 'deleted') => ({ diverged: [{ path: at, kind }] })

interface Sides {
  readonly base?: Entry
  readonly local?: Entry
  readonly target?: Entry
}

function sidesOf({ base, local, target }: Sides): Readonly<Record<keyof Sides, Tree>> {
  const alone = (entry: Entry | undefined) => tree(entry === undefined ? {} : { f: entry })
  return { base: alone(base), local: alone(local), target: alone(target) }
}

/** One path in all the states that the table of src/README.md distinguishes; a side left out has nothing there. */
const rows: ReadonlyArray<[name: string, sides: Sides, plan: Partial<Plan>]> = [
  // Same as target, any target.
  ['records a path that matches the log', { local: v1, target: v1 }, settled],
  ['records a path that both sides changed alike', { base: v1, local: v2, target: v2 }, settled],
  ['records an unchanged path', { base: v1, local: v1, target: v1 }, settled],
  ['forgets a path that both sides deleted', { base: v1 }, forgotten],
  // Same as baseline, changed or removed.
  ['follows the log to a changed file', { base: v1, local: v1, target: v2 }, { steps: [write(v2)] }],
  ['follows the log to a removal', { base: v1, local: v1 }, { steps: [{ op: 'remove', path: at, entry: v1 }] }],
  ['follows the log to a link', { base: v1, local: v1, target: symlink('x') }, { steps: [write(symlink('x'))] }],
  [
    'follows the log to a directory',
    { base: v1, local: v1, target: directory() },
    { steps: [{ op: 'make-directory', path: at, entry: directory() }] }
  ],
  ['follows the log from a directory', { base: directory(), local: directory(), target: v1 }, { steps: [write(v1)] }],
  [
    'removes a file of ours whose mode alone was changed here',
    { base: v1, local: file('v1', { mode: 0o600 }) },
    { steps: [{ op: 'remove', path: at, entry: v1 }] }
  ],
  // Changed or deleted here, same as baseline.
  ['leaves a file changed here only', { base: v1, local: v2, target: v1 }, diverged('changed')],
  ['leaves a file deleted here only', { base: v1, target: v1 }, diverged('deleted')],
  [
    'leaves a mode changed here only',
    { base: v1, local: file('v1', { mode: 0o600 }), target: v1 },
    diverged('changed')
  ],
  ['leaves a time changed here only', { base: v1, local: file('v1', { mtimeMs: 9 }), target: v1 }, diverged('changed')],
  ['leaves a link put here in the place of a file', { base: v1, local: symlink('x'), target: v1 }, diverged('changed')],
  [
    'leaves the mode of a directory changed here only',
    { base: directory(), local: directory({ mode: 0o700 }), target: directory() },
    diverged('changed')
  ],
  [
    'sets the time of a directory back, which changes with all that happens in it',
    { base: directory(), local: directory({ mtimeMs: 9 }), target: directory() },
    { steps: [{ op: 'set-metadata', path: at, entry: directory() }] }
  ],
  // Edited here, changed.
  [
    'sets an edit aside where the log has another',
    { base: v1, local: v2, target: v3 },
    { steps: [write(v3)], ...conflict(v2) }
  ],
  [
    'sets an edit aside where the log changed the mode alone',
    { base: v1, local: v2, target: file('v1', { mode: 0o600 }) },
    { steps: [write(file('v1', { mode: 0o600 }))], ...conflict(v2) }
  ],
  [
    "sets the user's own file aside where the log has a new one",
    { local: v2, target: v1 },
    { steps: [write(v1)], ...conflict(v2) }
  ],
  [
    "sets the user's own directory aside where the log has a file",
    { local: directory(), target: v1 },
    { steps: [write(v1)], ...conflict(directory()) }
  ],
  [
    'sets a file aside where the log has a new directory',
    { local: v1, target: directory() },
    { steps: [{ op: 'make-directory', path: at, entry: directory() }], ...conflict(v1) }
  ],
  // Edited here, removed.
  ['leaves an edit where the log has removed the file', { base: v1, local: v2 }, forgotten],
  ['leaves a directory in the place of a file that the log has removed', { base: v1, local: directory() }, forgotten],
  // Deleted here, changed.
  ['writes a changed file that was deleted here', { base: v1, target: v2 }, { steps: [write(v2)] }],
  // Never ours, absent.
  ["leaves the user's own file", { local: v1 }, {}],
  ["leaves the user's own directory", { local: directory() }, {}],
  // What the table leaves to reason.
  ['writes a new file', { target: v1 }, { steps: [write(v1)] }],
  [
    'gives bytes that are right already the mode of the log',
    { base: v1, local: v1, target: file('v1', { mode: 0o600 }) },
    { steps: [{ op: 'set-metadata', path: at, entry: file('v1', { mode: 0o600 }) }] }
  ],
  [
    'gives a file found in place the time of the log',
    { local: file('v1', { mtimeMs: 9 }), target: v1 },
    { steps: [{ op: 'set-metadata', path: at, entry: v1 }] }
  ]
]
for (const [name, sides, plan] of rows) {
  test(`planMirror ${name}`, (t) => t.alike(planMirror(sidesOf(sides)), { ...nothing, ...plan }))
}

type Trees = Readonly<Record<'base' | 'local' | 'target', Record<string, Entry>>>

/** Steps in short: action, path and source. */
function inShort({ steps }: Plan): string[] {
  return steps.map((step) => {
    if (step.op === 'move') return `move ${step.from} ${step.path}`
    return step.op === 'write' && step.copyOf ? `copy ${step.copyOf} ${step.path}` : `${step.op} ${step.path}`
  })
}

const d = directory()
const empty = file('')

const several: ReadonlyArray<[name: string, trees: Trees, steps: string[], conflicts?: string[]]> = [
  ['renames a moved file', { base: { a: v1 }, local: { a: v1 }, target: { b: v1 } }, ['move a b']],
  [
    'renames a moved file and changes its mode',
    { base: { a: v1 }, local: { a: v1 }, target: { b: file('v1', { mode: 0o600 }) } },
    ['move a b']
  ],
  ['moves no file that was edited here', { base: { a: v1 }, local: { a: v2 }, target: { b: v1 } }, ['write b']],
  [
    'moves no empty file, since nothing is saved',
    { base: { a: empty }, local: { a: empty }, target: { b: empty } },
    ['write b', 'remove a']
  ],
  [
    'moves each source once',
    { base: { a: v1, b: v1 }, local: { a: v1, b: v1 }, target: { c: v1, d: v1 } },
    ['move b c', 'move a d']
  ],
  [
    'copies content that the folder holds',
    { base: { a: v1 }, local: { a: v1 }, target: { a: v1, b: v1 } },
    ['copy a b']
  ],
  ["copies from the user's own file too", { base: {}, local: { a: v1 }, target: { b: v1 } }, ['copy a b']],
  [
    'moves nothing to the very directory that it lies in',
    { base: { a: d, 'a/x': v1 }, local: { a: d, 'a/x': v1 }, target: { a: v1 } },
    ['copy a/x a', 'remove a/x']
  ],
  [
    'makes directories first, parents before children, and removes children first',
    {
      base: { a: d, 'a/b': d, 'a/b/c': v1 },
      local: { a: d, 'a/b': d, 'a/b/c': v1 },
      target: { x: d, 'x/y': d, 'x/y/z': v2 }
    },
    ['make-directory x', 'make-directory x/y', 'write x/y/z', 'remove a/b/c', 'remove a/b', 'remove a']
  ],
  [
    'does steps without a transfer first',
    { base: { m: v2 }, local: { m: v2, own: v1 }, target: { a: v3, b: v1, z: v2 } },
    ['move m z', 'copy own b', 'write a']
  ],
  [
    'restores deleted directories of changed files',
    { base: { a: d, 'a/b': d, 'a/b/c': v1 }, local: {}, target: { a: d, 'a/b': d, 'a/b/c': v2 } },
    ['make-directory a', 'make-directory a/b', 'write a/b/c']
  ],
  [
    'leaves a deleted directory be while the log changes nothing in it',
    { base: { a: d, 'a/b': v1 }, local: {}, target: { a: d, 'a/b': v1 } },
    []
  ],
  [
    'sets aside a file that took the place of a directory in which the log writes',
    { base: { a: d }, local: { a: v3 }, target: { a: d, 'a/b': v1 } },
    ['make-directory a', 'write a/b'],
    ['a']
  ],
  [
    'sets aside a link that took the place of a directory in which the log writes',
    { base: { a: d }, local: { a: symlink('/etc') }, target: { a: d, 'a/passwd': v1 } },
    ['make-directory a', 'write a/passwd'],
    ['a']
  ],
  [
    "removes ours and leaves the user's own beside it",
    { base: { a: d, 'a/b': v1 }, local: { a: d, 'a/b': v1, 'a/own': v2 }, target: {} },
    ['remove a/b', 'remove a']
  ]
]
for (const [name, { base, local, target }, steps, conflicts = []] of several) {
  test(`planMirror ${name}`, (t) => {
    const plan = planMirror({ base: tree(base), local: tree(local), target: tree(target) })
    t.alike(inShort(plan), steps)
    t.alike(
      plan.conflicts.map(({ path }) => path),
      conflicts
    )
  })
}

test('planMirror reports no divergence for a directory that it restores', (t) => {
  const base = tree({ a: d, 'a/b': v1, 'a/c': v1 })
  const plan = planMirror({ base, local: tree({}), target: tree({ a: d, 'a/b': v2, 'a/c': v1 }) })
  t.alike(plan.diverged, [{ path: path('a/c'), kind: 'deleted' }])
})

test('planPaths plans for the given paths only, and the directories that they need', (t) => {
  const target = tree({ a: d, 'a/b': v1, c: v2 })
  const input = { base: tree({}), local: tree({}), target, paths: [path('a/b')] }
  const plan = planPaths({ ...input, holderOf: () => undefined })
  t.alike(inShort(plan), ['make-directory a', 'write a/b'])
})

test("planMirror leads an unchanged folder to exactly the log's tree", (t) =>
  holds(
    t,
    fc.property(anyTree, anyTree, (base, target) => {
      const folder = new FolderModel(base)
      const plan = planMirror({ base, local: base, target })
      const baseline = folder.run(plan, base, target)
      must(plan.conflicts.length === 0, 'a conflict without an edit')
      must(plan.diverged.length === 0, 'a divergence without an edit')
      sameTrees(folder.entries, target)
      sameTrees(baseline, target)
    }),
    { numRuns: 2000 }
  ))

test('planMirror loses no bytes that were not matched to the log', (t) =>
  holds(
    t,
    fc.property(anyBaseline, anyTree, anyTree, (base, local, target) => {
      const folder = new FolderModel(local)
      const plan = planMirror({ base, local, target })
      folder.run(plan, base, target)
      const conflicts = new Set(plan.conflicts.map(({ path }) => path))
      for (const [path, have] of local) {
        if (have.type === 'directory' || sameContent(have, base.get(path))) continue
        const stays = sameContent(folder.entries.get(path), have)
        const listed = [path, ...local.keys()].some((it) => isSetAside(it, path, conflicts, plan.steps))
        must(stays || sameContent(folder.aside.get(path), have), `${path} is lost`)
        must(stays || listed, `${path} is gone from its path unannounced`)
      }
      for (const [path, gone] of folder.dropped) must(sameContent(gone, base.get(path)), `${path} was dropped`)
    }),
    { numRuns: 2000 }
  ))

/** Whether the plan says that `path` goes aside: by itself, or with the directory `it` that makes way. */
function isSetAside(it: TreePath, path: TreePath, conflicts: ReadonlySet<TreePath>, steps: readonly Step[]): boolean {
  if (it === path) return conflicts.has(path)
  const makesWay = steps.some((step) => step.path === it && (step.op === 'write' || step.op === 'move'))
  return isBeneath(path, it) && makesWay
}

test('planMirror has nothing left to do once its plan is done', (t) =>
  holds(
    t,
    fc.property(anyBaseline, anyTree, anyTree, (base, local, target) => {
      const folder = new FolderModel(local)
      const baseline = folder.run(planMirror({ base, local, target }), base, target)
      const again = planMirror({ base: baseline, local: folder.entries, target })
      must(again.steps.length === 0, `again: ${inShort(again).join(', ')}`)
      must(again.conflicts.length === 0, 'the same conflict again')
      must(again.forgotten.length === 0, 'something to forget again')
    }),
    { numRuns: 2000 }
  ))

test('planMirror orders its steps so that each finds the files and directories that it needs', (t) =>
  holds(
    t,
    fc.property(anyBaseline, anyTree, anyTree, (base, local, target) => {
      const { steps } = planMirror({ base, local, target })
      must(new Set(steps.map(({ path }) => path)).size === steps.length, 'two steps for one path')
      for (const [i, step] of steps.entries()) {
        for (const earlier of steps.slice(0, i)) {
          const removes = step.op === 'remove'
          must(earlier.op !== 'remove' || removes, `${step.op} ${step.path} after a removal`)
          if (removes && earlier.op === 'remove') must(!isBeneath(step.path, earlier.path), `${earlier.path} too early`)
          if (step.op === 'make-directory') must(!isBeneath(earlier.path, step.path), `${step.path} too late`)
        }
        if (step.op === 'write' && step.copyOf) mustHold(step.copyOf, step.entry, steps, local)
      }
    }),
    { numRuns: 1000 }
  ))

/** What is to be copied is there when the moves are done. */
function mustHold(path: TreePath, entry: Entry, steps: readonly Step[], local: Tree): void {
  const moved = steps.find((step) => step.op === 'move' && step.path === path)
  const gone = steps.some((step) => step.op === 'move' && step.from === path)
  must(sameContent(moved?.entry ?? local.get(path), entry), 'a copy of other content')
  must(moved !== undefined || !gone, 'a copy of a file that was moved away')
}

function sameTrees(actual: Tree, expected: Tree): void {
  for (const path of new Set([...actual.keys(), ...expected.keys()])) {
    must(sameEntry(actual.get(path), expected.get(path)), `${path} differs`)
  }
}
