import { test } from 'brittle'
import fc from 'fast-check'
import {
  type BaselineRecord,
  beneathAny,
  diffScan,
  diffTrees,
  type Scan,
  type ScanDiff,
  type Seen
} from '../../src/tree/diff.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { sameEntry } from '../../src/tree/entry.ts'
import { isBeneath, type TreePath } from '../../src/tree/path.ts'
import { directoryOf as directory, fileOf as file, pathOf as path, symlinkOf as symlink } from '../support/entries.ts'
import { holds, must } from '../support/property.ts'
import { anyPath, anyTree, tree } from '../support/trees.ts'

/** What a scan sees of an entry whose signature is `signature`. */
function seen(entry: Entry, signature = 's1'): Seen {
  if (entry.type === 'symlink') return entry
  if (entry.type === 'directory') return { ...entry, signature }
  const { mode, mtimeMs, size } = entry
  return { type: 'file', mode, mtimeMs, size, signature }
}

/** What a baseline says of an entry whose signature was `signature`. */
function recorded(entry: Entry, signature = entry.type === 'symlink' ? '' : 's1'): BaselineRecord {
  return { entry, signature }
}

interface Case {
  readonly baseline?: Record<string, BaselineRecord>
  readonly seen?: Record<string, Seen>
  /** What was looked at; everything when left out. */
  readonly covers?: readonly string[]
  readonly frozen?: readonly string[]
  /** Files that were seen unchanged, and only noted. */
  readonly noted?: readonly string[]
  /** Whether another file may have had a signature. */
  readonly ambiguous?: boolean
}

function toMap<T>(literal: Record<string, T> = {}): Map<TreePath, T> {
  return new Map(Object.entries(literal).map(([text, value]) => [path(text), value]))
}

function diffOf(input: Case): ScanDiff {
  const scan: Scan = {
    seen: toMap(input.seen),
    saw: (at) => at in (input.seen ?? {}) || (input.noted?.includes(at) ?? false),
    covers: (at) => input.covers === undefined || input.covers.includes(at),
    frozen: (at) => input.frozen?.includes(at) ?? false,
    unreadable: new Set()
  }
  return diffScan(toMap(input.baseline), scan, () => !input.ambiguous)
}

const unchanged = { suspects: [], puts: [], moves: [], removals: [] }

const moved = { baseline: { a: recorded(file('v1')) }, seen: { b: seen(file('v1')) } }

const cases: ReadonlyArray<[name: string, input: Case, diff: { [key in keyof ScanDiff]?: unknown }]> = [
  ['finds nothing in an empty folder', {}, {}],
  [
    'takes a file that was only noted for seen',
    { baseline: { a: recorded(file('v1'), 's1'), b: recorded(file('v1'), 's2') }, noted: ['a'] },
    { removals: ['b'] }
  ],
  ['suspects a new file', { seen: { a: seen(file('v1')) } }, { suspects: ['a'] }],
  [
    'trusts a file whose signature is the recorded one',
    { baseline: { a: recorded(file('v1')) }, seen: { a: seen(file('v1')) } },
    {}
  ],
  [
    'suspects a file of another signature',
    { baseline: { a: recorded(file('v1')) }, seen: { a: seen(file('v1'), 's2') } },
    { suspects: ['a'] }
  ],
  [
    'suspects a file that was recorded without a signature',
    { baseline: { a: recorded(file('v1'), '') }, seen: { a: seen(file('v1'), '') } },
    { suspects: ['a'] }
  ],
  [
    'suspects a file where a link was',
    { baseline: { a: recorded(symlink('x')) }, seen: { a: seen(file('v1')) } },
    { suspects: ['a'] }
  ],
  [
    'puts a new directory, its signature apart from its entry',
    { seen: { a: seen(directory()) } },
    { puts: [['a', directory(), 's1']] }
  ],
  ['puts a new link', { seen: { a: seen(symlink('x')) } }, { puts: [['a', symlink('x'), '']] }],
  [
    'leaves a directory that is as recorded',
    { baseline: { a: recorded(directory()) }, seen: { a: seen(directory()) } },
    {}
  ],
  [
    'leaves a link that is as recorded',
    { baseline: { a: recorded(symlink('x')) }, seen: { a: seen(symlink('x')) } },
    {}
  ],
  [
    'puts a directory of another mode',
    { baseline: { a: recorded(directory()) }, seen: { a: seen(directory({ mode: 0o700 })) } },
    { puts: [['a', directory({ mode: 0o700 }), 's1']] }
  ],
  [
    'puts a directory that took the place of another',
    { baseline: { a: recorded(directory()) }, seen: { a: seen(directory(), 's2') } },
    { puts: [['a', directory(), 's2']] }
  ],
  [
    'puts a link that points elsewhere',
    { baseline: { a: recorded(symlink('x')) }, seen: { a: seen(symlink('y')) } },
    { puts: [['a', symlink('y'), '']] }
  ],
  [
    'puts a directory where a file was',
    { baseline: { a: recorded(file('v1')) }, seen: { a: seen(directory()) } },
    { puts: [['a', directory(), 's1']] }
  ],
  ['removes a missing path', { baseline: { a: recorded(file('v1')) } }, { removals: ['a'] }],
  [
    'removes children first',
    {
      baseline: {
        a: recorded(directory()),
        'a/b': recorded(directory()),
        'a/b/c': recorded(file('v1')),
        'a-b': recorded(file('v2'))
      }
    },
    { removals: ['a/b/c', 'a/b', 'a-b', 'a'] }
  ],
  [
    'keeps a path that was not scanned',
    { baseline: { a: recorded(file('v1')), b: recorded(file('v2')) }, covers: ['a'] },
    { removals: ['a'] }
  ],
  ['keeps an unreadable path', { baseline: { a: recorded(file('v1')) }, frozen: ['a'] }, {}],
  [
    'keeps an unreadable path in a directory that exists',
    {
      baseline: { a: recorded(directory()), 'a/b': recorded(file('v1')) },
      seen: { a: seen(directory()) },
      frozen: ['a/b']
    },
    {}
  ],
  [
    'keeps all beneath a directory that could not be read',
    {
      baseline: { a: recorded(directory()), 'a/b': recorded(directory()), 'a/b/c': recorded(file('v1')) },
      frozen: ['a', 'a/b', 'a/b/c']
    },
    {}
  ],
  [
    'removes a frozen path with its directory',
    { baseline: { a: recorded(directory()), 'a/b': recorded(file('v1')) }, frozen: ['a/b'] },
    { removals: ['a/b', 'a'] }
  ],
  [
    'removes a frozen path when a file took the place of its directory',
    {
      baseline: { a: recorded(directory()), 'a/b': recorded(file('v1')) },
      seen: { a: seen(file('v2'), 's2') },
      frozen: ['a/b']
    },
    { suspects: ['a'], removals: ['a/b'] }
  ],
  [
    'keeps a frozen path in a directory that was not scanned',
    { baseline: { a: recorded(directory()), 'a/b': recorded(file('v1')) }, covers: ['a/b'], frozen: ['a/b'] },
    {}
  ],
  [
    'removes a frozen path in a directory that was neither scanned nor known',
    { baseline: { 'a/b': recorded(file('v1')) }, covers: ['a/b'], frozen: ['a/b'] },
    { removals: ['a/b'] }
  ],
  [
    'recognises a file by the signature of a removed one',
    { ...moved, seen: { b: seen(file('v1', { mode: 0o600 })) } },
    { moves: [['b', file('v1', { mode: 0o600 }), 's1']], removals: ['a'] }
  ],
  [
    'knows none by a signature that another may have had',
    { ...moved, ambiguous: true },
    { suspects: ['b'], removals: ['a'] }
  ],
  [
    'knows none by a signature whose file is still there',
    { baseline: moved.baseline, seen: { a: seen(file('v1')), b: seen(file('v1')) } },
    { suspects: ['b'] }
  ],
  [
    'knows none by the want of a signature',
    { baseline: { a: recorded(file('v1'), '') }, seen: { b: seen(file('v1'), '') } },
    { suspects: ['b'], removals: ['a'] }
  ],
  [
    'knows one of two that are one file under two names',
    { baseline: moved.baseline, seen: { b: seen(file('v1')), c: seen(file('v1')) } },
    { suspects: ['b'], moves: [['c', file('v1'), 's1']], removals: ['a'] }
  ]
]
for (const [name, input, diff] of cases) {
  test(`diffScan ${name}`, (t) => t.alike(diffOf(input), { ...unchanged, ...diff }))
}

const signatures = fc.constantFrom('', 's1', 's2')

test('diffScan, applied to the baseline, yields the scanned tree, with frozen paths unchanged', (t) => {
  const roots = fc.array(anyPath, { maxLength: 2 }).map((paths) => new Set(paths))
  return holds(
    t,
    fc.property(anyTree, anyTree, roots, fc.infiniteStream(signatures), (before, now, hidden, stream) => {
      const nextSignature = () => stream.next().value
      const frozen = beneathAny(hidden)
      const baseline = new Map([...before].map(([at, entry]) => [at, recorded(entry, nextSignature())]))
      const visible = [...now].filter(([at]) => !frozen(at))
      const scan: Scan = {
        seen: new Map(visible.map(([at, entry]) => [at, seen(entry, nextSignature())])),
        saw: (at) => scan.seen.has(at),
        covers: () => true,
        frozen,
        unreadable: new Set()
      }
      const after = applied(
        baseline,
        diffScan(baseline, scan, () => true),
        scan
      )
      for (const [at, what] of scan.seen) must(describes(after.get(at), what), `${at} is not as seen`)
      for (const at of baseline.keys()) {
        if (scan.seen.has(at)) continue
        must(after.has(at) === (frozen(at) && standsAbove(at, scan)), `${at} ${after.has(at) ? 'stayed' : 'went'}`)
      }
    }),
    { numRuns: 1000 }
  )
})

/** The baseline after a diff; a suspect becomes a file whose content nobody knows yet. */
function applied(baseline: ReadonlyMap<TreePath, BaselineRecord>, diff: ScanDiff, scan: Scan) {
  const after = new Map<TreePath, BaselineRecord>(baseline)
  for (const at of diff.removals) after.delete(at)
  for (const [at, entry, signature] of [...diff.puts, ...diff.moves]) after.set(at, { entry, signature })
  for (const at of diff.suspects) {
    const what = scan.seen.get(at)
    must(what?.type === 'file', `the suspect ${at} is no file`)
    after.set(at, recorded(file('just read'), what.signature))
  }
  return after
}

function describes(record: BaselineRecord | undefined, what: Seen): boolean {
  if (what.type === 'symlink') return sameEntry(record?.entry, what)
  if (record?.signature !== what.signature) return false
  return what.type === 'file' ? record.entry.type === 'file' : sameEntry(record.entry, what)
}

/** Whether the directories above a frozen path are there, or are frozen too. */
function standsAbove(at: TreePath, scan: Scan): boolean {
  return [...scan.seen].every(([other, { type }]) => type === 'directory' || !isBeneath(at, other)) && held(at, scan)
}

function held(at: TreePath, scan: Scan): boolean {
  for (let slash = at.lastIndexOf('/'); slash !== -1; slash = at.lastIndexOf('/', slash - 1)) {
    const above = path(at.slice(0, slash))
    if (scan.seen.has(above)) return true
    if (!scan.frozen(above, 'directory')) return false
  }
  return true
}

test('diffTrees lists changes in the order of their paths', (t) => {
  const before = tree({ a: file('v1'), b: directory(), c: symlink('x'), e: file('v1') })
  const after = tree({ a: file('v2'), b: directory(), d: file('v1'), e: file('v1', { mode: 0o600 }) })
  t.alike(diffTrees(before, after), [
    { path: path('a'), before: file('v1'), after: file('v2') },
    { path: path('c'), before: symlink('x'), after: undefined },
    { path: path('d'), before: undefined, after: file('v1') },
    { path: path('e'), before: file('v1'), after: file('v1', { mode: 0o600 }) }
  ])
})

test('diffTrees leads from any tree to any other, and from one to itself by nothing', (t) =>
  holds(
    t,
    fc.property(anyTree, anyTree, (before, after) => {
      const result = new Map(before)
      for (const change of diffTrees(before, after)) {
        must(!sameEntry(change.before, change.after), `${change.path} did not change`)
        must(sameEntry(result.get(change.path), change.before), `${change.path} was something else`)
        if (change.after === undefined) result.delete(change.path)
        else result.set(change.path, change.after)
      }
      must(result.size === after.size, 'too many or too few')
      for (const [at, entry] of after) must(sameEntry(result.get(at), entry), `${at} differs`)
      must(diffTrees(after, after).length === 0, 'a tree differs from itself')
    }),
    { numRuns: 500 }
  ))

test('beneathAny matches a root and all paths beneath it', (t) => {
  const within = beneathAny(new Set([path('a/b'), path('c')]))
  t.alike(
    ['a', 'a/b', 'a/b/d/e', 'a/bc', 'c', 'c/d', 'd'].filter((text) => within(path(text))),
    ['a/b', 'a/b/d/e', 'c', 'c/d']
  )
  t.absent(beneathAny(new Set())(path('a')), 'no root, nothing')
})
