import { test } from 'brittle'
import { parseDiffArguments } from '../../../src/cli/commands/diff.ts'
import { parseRestoreArguments } from '../../../src/cli/commands/restore.ts'

const none = undefined

const diffs: ReadonlyArray<
  [args: readonly string[], from?: string | undefined, to?: string | undefined, path?: string]
> = [
  [[]],
  [['@-1'], '-1'],
  [['@-1', '@1234'], '-1', '1234'],
  [['7', '2h', 'docs'], '7', '2h', 'docs'],
  [['@7', 'docs'], '7', none, 'docs'],
  [['docs'], none, none, 'docs'],
  [['@7', '@8', '@9'], '7', '8', '@9']
]
for (const [args, from, to, path] of diffs) {
  test(`diff reads the arguments ${JSON.stringify(args)}`, (t) => t.alike(parseDiffArguments(args), { from, to, path }))
}

test('diff refuses two paths', async (t) => {
  await t.exception(() => parseDiffArguments(['docs', 'more']), /docs is no version/)
})

const restores: ReadonlyArray<
  [args: readonly [string, string?], place: string, path: string | undefined, version: string]
> = [
  [['notes', 'todo.txt@-1'], 'notes', 'todo.txt', '-1'],
  [['notes', '@2h'], 'notes', none, '2h'],
  [['notes@7'], 'notes', none, '7'],
  [['notes@7', 'todo.txt'], 'notes', 'todo.txt', '7'],
  [['notes', 'me@home@7'], 'notes', 'me@home', '7']
]
for (const [[directory, text], place, path, version] of restores) {
  test(`restore reads the arguments ${directory} ${text ?? ''}`, (t) =>
    t.alike(parseRestoreArguments(directory, text), { place, path, version }))
}

test('restore refuses two versions, and none', async (t) => {
  await t.exception(() => parseRestoreArguments('notes@7', 'todo.txt@8'), /one version, not two/)
  await t.exception(() => parseRestoreArguments('notes', 'todo.txt'), /Give the version/)
})
