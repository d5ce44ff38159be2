import fc from 'fast-check'
import type { Entry } from '../../src/tree/entry.ts'
import { ancestorsOf, isBeneath, parentPath, type TreePath } from '../../src/tree/path.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { directoryOf as directory, fileOf as file, pathOf as path, symlinkOf as symlink } from './entries.ts'

/** A tree from a literal. */
export function tree(entries: Readonly<Record<string, Entry>>): Map<TreePath, Entry> {
  return new Map(Object.entries(entries).map(([text, entry]) => [path(text), entry]))
}

/** Few names and contents, so that independently drawn trees overlap and collide. */
const names = fc.constantFrom('a', 'b', 'c')

export const anyPath: fc.Arbitrary<TreePath> = fc
  .array(names, { minLength: 1, maxLength: 3 })
  .map((parts) => path(parts.join('/')))

const times = fc.constantFrom(1000, 2000)

export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ text: fc.constantFrom('', 'v1', 'v2', 'v3'), mode: fc.constantFrom(0o644, 0o600), mtimeMs: times })
      .map(({ text, ...metadata }) => file(text, metadata))
  },
  { weight: 2, arbitrary: fc.record({ mode: fc.constantFrom(0o755, 0o700), mtimeMs: times }).map(directory) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('v1', 'v2'), times).map(([to, mtimeMs]) => symlink(to, { mtimeMs }))
  }
)

/** A tree as a folder can hold it: every parent is a directory. */
export const anyTree: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(anyPath, anyEntry), { maxLength: 8 })
  .map((pairs) => wellFormed(pairs))

/** Any mapping of paths to entries, as in a baseline after paths were forgotten. */
export const anyBaseline: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(anyPath, anyEntry), { maxLength: 8 })
  .map((pairs) => new Map(pairs))

function wellFormed(pairs: readonly (readonly [TreePath, Entry])[]): Tree {
  const made = new Map<TreePath, Entry>()
  for (const [at, entry] of pairs) {
    if (entry.type !== 'directory') for (const other of [...made.keys()]) if (isBeneath(other, at)) made.delete(other)
    for (const above of ancestorsOf(at)) if (made.get(above)?.type !== 'directory') made.set(above, directory())
    made.set(at, entry)
  }
  return made
}

/** Whether every entry lies in a directory of the same tree. */
export function isWellFormed(entries: Tree): boolean {
  return [...entries.keys()].every((at) => {
    const parent = parentPath(at)
    return parent === '' || entries.get(parent)?.type === 'directory'
  })
}
