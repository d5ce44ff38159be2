import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Assert, test } from 'brittle'
import { makeDurable } from '../../../src/disk/path/durable.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { codeOf } from '../../support/failure.ts'
import { until } from '../../support/until.ts'

// A test can't cut the power: these check descriptors, missing paths and errors.

async function filesIn(t: Assert, count: number): Promise<{ readonly root: string; readonly paths: Set<string> }> {
  const root = await t.tmp()
  const paths = new Set<string>()
  for (let i = 0; i < count; i++) {
    writeFileSync(join(root, `${i}`), '')
    paths.add(join(root, `${i}`))
  }
  return { root, paths }
}

for (const count of [0, 1, 8, 9, 100]) {
  test(`making ${count} paths durable leaves no descriptor open`, { skip: !tellsDescriptors }, async (t) => {
    const { root, paths } = await filesIn(t, count)
    mkdirSync(join(root, 'directory'))
    paths.add(join(root, 'directory'))
    // The first program that a process starts costs it descriptors for good.
    await promisify(execFile)('true')
    const before = descriptorCount()
    await makeDurable(paths, root)
    // Node closes the pipes to the sync program a moment after its exit.
    await until(() => descriptorCount() <= before, { what: 'all descriptors to be closed' })
    t.pass()
  })
}

test('a path that is gone is no error', async (t) => {
  const { root, paths } = await filesIn(t, 2)
  paths.add(join(root, 'missing'))
  paths.add(join(root, '0/beneath a file'))
  await t.execution(() => makeDurable(paths, root))
})

test('a symlink loop or a FIFO in the place of a directory is no error and does not block', async (t) => {
  const { root, paths } = await filesIn(t, 2)
  symlinkSync('loop', join(root, 'loop'))
  await promisify(execFile)('mkfifo', [join(root, 'pipe')])
  for (const name of ['loop', 'loop/beneath', 'pipe']) paths.add(join(root, name))
  await t.execution(() => makeDurable(paths, root))
})

/** No system accepts this as a path. */
const invalidPath = '\0'

test('a path that cannot be synced rejects', async (t) => {
  const { root, paths } = await filesIn(t, 3)
  paths.add(invalidPath)
  t.is(await codeOf(() => makeDurable(paths, root)), 'ERR_INVALID_ARG_VALUE')
})

test('if syncfs fails, each path is synced', async (t) => {
  const { root, paths } = await filesIn(t, 20)
  paths.add(invalidPath)
  await t.execution(() => makeDurable(paths, root), 'syncfs does not look at each path')
  t.is(await codeOf(() => makeDurable(paths, join(root, 'missing'))), 'ERR_INVALID_ARG_VALUE')
})
