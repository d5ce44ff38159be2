import { test } from 'brittle'
import fc from 'fast-check'
import { parseIgnoreRules } from '../../src/tree/ignore.ts'
import { parseTreePath } from '../../src/tree/path.ts'
import { pathOf as path } from '../support/entries.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

type Kind = 'directory' | 'other'

const cases: ReadonlyArray<[name: string, rules: string, path: string, kind: Kind, ignored: boolean]> = [
  ['leaves a plain file in', '', 'a.txt', 'other', false],
  ['leaves out backups of editors', '', 'a/notes.txt~', 'other', true],
  ['leaves out swap files', '', '.notes.txt.swp', 'other', true],
  ['leaves out autosaves, whose rule begins with a #', '', 'a/#notes.txt#', 'other', true],
  ['leaves out lock links', '', '.#notes.txt', 'other', true],
  ['leaves out the locks of office programs', '', '.~lock.letter.odt#', 'other', true],
  ['leaves out the temporary files of office programs', '', '~$letter.docx', 'other', true],
  ['leaves out files of systems', '', 'a/b/.DS_Store', 'other', true],
  ['lets a negated rule lift a default', '!Thumbs.db', 'Thumbs.db', 'other', false],
  ['matches a name at any depth', '*.log', 'a/b/x.log', 'other', true],
  ['matches a rule with a slash from the root only', '/build', 'a/build', 'directory', false],
  ['matches a rule with a slash at the root', '/build', 'build', 'directory', true],
  ['leaves out paths in an ignored directory', 'build', 'build/x/y.o', 'other', true],
  ['takes a rule that ends in a slash for directories only', 'build/', 'build', 'other', false],
  ['takes a rule that ends in a slash for a directory', 'build/', 'build', 'directory', true],
  ['applies a rule that ends in a slash to paths beneath', 'build/', 'a/build/x', 'other', true],
  ['minds case', 'README', 'readme', 'other', false],
  ['skips comments', '# a.txt', '# a.txt', 'other', false],
  ['lets a later rule win', '*.txt\n!keep.txt', 'keep.txt', 'other', false],
  ['reads lines that end as on Windows', '*.log\r\n*.tmp\r\n', 'x.log', 'other', true],
  ['knows two stars', 'a/**/z', 'a/b/c/z', 'other', true],
  ['never leaves out the ignore file of the root', '*', '.p2psyncignore', 'other', false],
  ['treats an ignore file further down as any file', '*', 'a/.p2psyncignore', 'other', true]
]
for (const [name, rules, text, kind, ignored] of cases) {
  test(`parseIgnoreRules ${name}`, (t) => t.is(parseIgnoreRules(rules).ignores(path(text), kind), ignored))
}

test('parseIgnoreRules accepts any text and path, and hides everything in a hidden directory', (t) => {
  const unit = fc.constantFrom('a', 'b', '*', '?', '[', ']', '!', '#', '/', '\\', '-', ' ', '\n', '^', '(', '$', '.')
  const rules = fc.string({ unit, maxLength: 20 })
  const names = fc.array(fc.string({ unit, minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
  return holds(
    t,
    fc.property(rules, names, (text, parts) => {
      const directory = parseTreePath(parts.join('/'))
      fc.pre(directory !== undefined)
      const { ignores } = parseIgnoreRules(text)
      if (ignores(directory, 'directory')) must(ignores(path(`${directory}/z`), 'other'), 'z shows')
    }),
    { numRuns: fuzzRuns(500) }
  )
})

test('parseIgnoreRules accepts any bytes as text', (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.uint8Array({ maxLength: 60 }).map((it) => Buffer.from(it).toString())
  )
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
  return holds(
    t,
    fc.property(text, name, (rules, candidate) => {
      const at = parseTreePath(candidate)
      fc.pre(at !== undefined)
      const { ignores } = parseIgnoreRules(rules)
      for (const kind of ['directory', 'other'] as const) must(typeof ignores(at, kind) === 'boolean', 'an answer')
    }),
    { numRuns: fuzzRuns(500) }
  )
})
