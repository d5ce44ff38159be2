import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../../support/cli.ts'
import { run, startTwoVersions } from '../../support/restore.ts'
import { snapshot } from '../../support/snapshot.ts'
import { test } from '../../support/together.ts'

async function ends(...commands: readonly Command[]): Promise<void> {
  for (const command of commands) await command.kill('SIGTERM')
}

test('closed folders can be restored and reverted, too', async (t) => {
  const { source, mirror, bootstrap, first, before, after, writer, reader } = await startTwoVersions(t)
  await ends(writer, reader)
  for (const folder of [source, mirror]) {
    const one = await run(t, ['restore', folder, `docs@${first}`], bootstrap)
    t.is(one.status, 0, one.stderr)
    t.is(readFileSync(join(folder, 'docs/todo'), 'utf8'), 'one')
    t.absent(existsSync(join(folder, 'gone')), 'other paths stay')
  }
  const all = await run(t, ['restore', mirror, `@${first}`], bootstrap)
  t.is(all.status, 0, all.stderr)
  t.alike(snapshot(mirror), before)
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.alike(snapshot(mirror), after)
  const refused = await run(t, ['revert', source, '--yes'], bootstrap)
  t.is(refused.status, 1, 'a source is no mirror')
  t.ok(refused.stderr.includes('[FOLDER_ROLE]'))
})

test('a second restore leaves nothing of the first', async (t) => {
  const { source, mirror, bootstrap, first, second, before, after, writer, reader } = await startTwoVersions(t)
  const cases: ReadonlyArray<[where: string, folder: string, ended: readonly Command[]]> = [
    ['a running mirror', mirror, []],
    // Mirrors serve the replaced content of a source's large files.
    ['a closed source', source, [writer]],
    ['a closed mirror', mirror, [reader]]
  ]
  for (const [where, folder, ended] of cases) {
    await ends(...ended)
    const restored = async (version: number | undefined) => {
      const done = await run(t, ['restore', folder, `@${version}`], bootstrap)
      t.is(done.status, 0, done.stderr)
      return done.records.at(-1)?.others
    }
    t.is(await restored(first), 0)
    t.alike(snapshot(folder), before, where)
    t.is(await restored(second), 0)
    t.alike(snapshot(folder), after, where)
    await restored(first)
    const own = ['docs/mine', 'mine', 'old/mine']
    for (const path of own) writeFileSync(join(folder, path), 'mine')
    // It can't be published, so a restore ignores it.
    spawnSync('mkfifo', [join(folder, 'pipe')])
    t.is(await restored(second), own.length, 'the number of remaining paths is reported')
    rmSync(join(folder, 'pipe'))
    const left = [...snapshot(folder).keys()].filter((path) => !after.has(path))
    t.alike(left, ['docs/mine', 'mine', 'old', 'old/mine'], 'the user’s own paths stay, also in removed directories')
    for (const path of own) rmSync(join(folder, path))
    await restored(second)
    t.alike(snapshot(folder), after, 'nothing is lost')
  }
})

test('a restore keeps a file that the log no longer holds', async (t) => {
  const { mirror, bootstrap, first, second, writer, reader } = await startTwoVersions(t)
  await ends(writer, reader)
  t.is((await run(t, ['restore', mirror, `@${first}`], bootstrap)).status, 0)
  t.is((await run(t, ['gc', mirror, '--keep', '0s'], bootstrap)).status, 0)
  const done = await run(t, ['restore', mirror, `@${second}`], bootstrap)
  t.is(done.status, 0, done.stderr)
  t.is(done.records.at(-1)?.others, 1)
  t.is(readFileSync(join(mirror, 'gone'), 'utf8'), 'was here', 'the only copy stays')
  const reverted = await run(t, ['revert', mirror, '--yes'], bootstrap)
  t.is(reverted.status, 0, reverted.stderr)
  t.ok(existsSync(join(mirror, 'gone')))
  const large = await run(t, ['restore', mirror, `old/large.bin@${first}`], bootstrap)
  t.is(large.status, 0, 'the replaced file was kept')
})
