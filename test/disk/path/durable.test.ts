import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Assert, test } from 'brittle'
import { makeDurable } from '../../../src/disk/path/durable.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { codeOf } from '../../support/failure.ts'
import { until } from '../../support/until.ts'

// What a power cut would leave can't be seen from here: these tests hold the edges of it.

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
  test(`${count} paths are made durable, and no descriptor stays open`, { skip: !tellsDescriptors }, async (t) => {
    const { root, paths } = await filesIn(t, count)
    mkdirSync(join(root, 'directory'))
    paths.add(join(root, 'directory'))
    // The first program that a process starts costs it descriptors for good.
    await promisify(execFile)('true')
    const before = descriptorCount()
    await makeDurable(paths, root)
    // Those to the program that syncs a file system are closed a moment after its end.
    await until(() => descriptorCount() <= before, { what: 'all descriptors to be closed' })
    t.pass()
  })
}

test('what is gone already needs no waiting for', async (t) => {
  const { root, paths } = await filesIn(t, 2)
  paths.add(join(root, 'missing'))
  paths.add(join(root, '0/beneath a file'))
  await t.execution(() => makeDurable(paths, root))
})

test('what took the place of a directory meanwhile needs no waiting for', async (t) => {
  const { root, paths } = await filesIn(t, 2)
  symlinkSync('loop', join(root, 'loop'))
  await promisify(execFile)('mkfifo', [join(root, 'pipe')])
  for (const name of ['loop', 'loop/beneath', 'pipe']) paths.add(join(root, name))
  await t.execution(() => makeDurable(paths, root))
})

/** One that no system takes for a path. */
const noPath = '\0'

test('what could not be made durable is no success', async (t) => {
  const { root, paths } = await filesIn(t, 3)
  paths.add(noPath)
  t.is(await codeOf(() => makeDurable(paths, root)), 'ERR_INVALID_ARG_VALUE')
})

test('where the file system can’t be synced as a whole, each path is', async (t) => {
  const { root, paths } = await filesIn(t, 20)
  paths.add(noPath)
  await t.execution(() => makeDurable(paths, root), 'one call for all does not look at each')
  t.is(await codeOf(() => makeDurable(paths, join(root, 'missing'))), 'ERR_INVALID_ARG_VALUE')
})
