import { createHash } from 'node:crypto'
import { test } from 'brittle'
import fc from 'fast-check'
import { type Entry, emptyHash, modeOf, sameContent, sameEntry } from '../../src/tree/entry.ts'
import { directoryOf as directory, fileOf as file, symlinkOf as symlink } from '../support/entries.ts'
import { holds } from '../support/property.ts'
import { anyEntry } from '../support/trees.ts'

const extents = [{ core: 0, block: 7, blocks: 1, offset: 0, length: 2, packed: false }]

const pairs: ReadonlyArray<
  [name: string, a: Entry | undefined, b: Entry | undefined, content: boolean, entry: boolean]
> = [
  ['nothing and nothing', undefined, undefined, true, true],
  ['nothing and a file', undefined, file('v1'), false, false],
  ['a directory and nothing', directory(), undefined, false, false],
  ['a file and its copy', file('v1'), file('v1'), true, true],
  ['a file and where its bytes are stored', file('v1'), { ...file('v1'), extents }, true, true],
  ['a file of another mode', file('v1'), file('v1', { mode: 0o755 }), true, false],
  ['a file of another time', file('v1'), file('v1', { mtimeMs: 1001 }), true, false],
  ['a file of other bytes', file('v1'), file('v2'), false, false],
  ['a file of the same hash and another size', file('v1'), { ...file('v1'), size: 3 }, false, false],
  ['a directory and its like', directory(), directory(), true, true],
  ['a directory of another mode', directory(), directory({ mode: 0o700 }), true, false],
  ['a directory of another time', directory(), directory({ mtimeMs: 1001 }), true, false],
  ['a link and its like', symlink('v1'), symlink('v1'), true, true],
  ['a link to elsewhere', symlink('v1'), symlink('v2'), false, false],
  ['a link of another time', symlink('v1'), symlink('v1', { mtimeMs: 1001 }), true, false],
  ['a file and a directory', file('v1'), directory(), false, false],
  ['a file and a link', file('v1'), symlink('v1'), false, false],
  ['a directory and a link', directory(), symlink('v1'), false, false]
]
for (const [name, a, b, content, entry] of pairs) {
  test(`sameContent and sameEntry compare ${name}`, (t) => {
    t.alike([sameContent(a, b), sameContent(b, a)], [content, content])
    t.alike([sameEntry(a, b), sameEntry(b, a)], [entry, entry])
  })
}

test('sameEntry is at least as strict as sameContent', (t) =>
  holds(
    t,
    fc.property(anyEntry, anyEntry, (a, b) => !sameEntry(a, b) || sameContent(a, b)),
    { numRuns: 500 }
  ))

test('modeOf is the same for all links, which have no mode of their own', (t) => {
  t.is(modeOf(symlink('v1')), 0o777)
  t.is(modeOf(file('v1', { mode: 0o600 })), 0o600)
  t.is(modeOf(directory({ mode: 0o500 })), 0o500)
})

test('emptyHash is the SHA-256 of nothing', (t) => t.is(emptyHash, createHash('sha256').digest('hex')))
