import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { applyPlan } from '../../src/change/apply-plan.ts'
import { observe } from '../../src/disk/read/observe.ts'
import type { Contents } from '../../src/folder/workspace.ts'
import type { Step } from '../../src/tree/plan.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { tree } from '../support/trees.ts'

const { signal } = new AbortController()

/** Two steps that write `d/f` of a version, with the real contents, of which is counted how often they are closed. */
async function open(t: Parameters<typeof MirroredFolder.open>[0]) {
  const mirror = await MirroredFolder.open(t)
  const version = await mirror.publish({ d: directoryOf(), 'd/f': 'content' })
  const entry = await mirror.log.entryAt(version, pathOf('d/f'), signal)
  if (entry?.type !== 'file') throw new Error('no file')
  const real = await mirror.workspace.content()
  const closed: string[] = []
  const content: Contents = {
    isWaiting: false,
    read: (file, ending, options) => real.read(file, ending, options),
    pack: (block, ending) => real.pack(block, ending),
    close: async () => {
      closed.push('closed')
      await real.close()
    }
  }
  const steps: Step[] = [
    { op: 'make-directory', path: pathOf('d'), entry: directoryOf() },
    { op: 'write', path: pathOf('d/f'), entry }
  ]
  const applied: string[] = []
  const problems: string[] = []
  const { folder, staging, workers, monitor } = mirror.workspace
  const apply = (
    { conflicts = [], ending = signal }: { readonly conflicts?: readonly string[]; readonly ending?: AbortSignal },
    meanwhile = () => {}
  ) => {
    const observed = observe(folder.root, new Set(steps.map(({ path }) => path)), () => {})
    meanwhile()
    const target = tree({ d: directoryOf(), 'd/f': entry })
    const conflictPaths = new Set(conflicts.map(pathOf))
    return applyPlan(
      { folder, staging, workers, monitor, steps, target, observed, conflicts: conflictPaths, content },
      {
        signal: ending,
        onApplied: async ({ put }) => void applied.push(...put.keys()),
        onProblem: ({ path }) => void problems.push(path)
      }
    )
  }
  return { mirror, apply, applied, problems, closed }
}

test('the steps are applied, reported, and the contents closed', async (t) => {
  const { mirror, apply, applied, problems, closed } = await open(t)
  t.alike(await apply({}), [])
  t.alike(mirror.tree(), { d: '/', 'd/f': 'content' })
  t.alike(applied.sort(), ['d', 'd/f'])
  t.alike(problems, [])
  t.is(closed.length, 1)
})

test('a file of the user’s own is kept as a conflict copy, and that is reported', async (t) => {
  const { mirror, apply } = await open(t)
  writeFileSync(mirror.at('d'), 'mine')
  await apply({ conflicts: ['d'] })
  const [conflict] = mirror.of('conflict')
  t.is(conflict?.path, 'd')
  t.is(mirror.tree()[conflict?.keptAs ?? ''], 'mine')
  t.is(mirror.tree()['d/f'], 'content')
})

test('a path that changed after it was observed is left out', async (t) => {
  const { mirror, apply, applied } = await open(t)
  mkdirSync(mirror.at('d'))
  writeFileSync(mirror.at('d/f'), 'before')
  t.alike(await apply({}, () => writeFileSync(mirror.at('d/f'), 'changed meanwhile')), ['d/f'])
  t.is(mirror.tree()['d/f'], 'changed meanwhile')
  t.absent(applied.includes('d/f'))
})

test('an aborted plan writes nothing, and closes the contents', async (t) => {
  const { mirror, apply, closed } = await open(t)
  const reason = new Error('ended')
  t.is(await failureOf(() => apply({ ending: AbortSignal.abort(reason) })), reason)
  t.alike(mirror.tree(), {})
  t.ok(closed.length > 0)
})

test('nothing is written into another folder', async (t) => {
  const { mirror, apply } = await open(t)
  rmSync(join(mirror.folder.root, '.p2psync/folder.json'))
  t.is(await codeOf(() => apply({})), 'HALTED')
  t.alike(mirror.tree(), {})
})
