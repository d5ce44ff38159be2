import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { withShortName } from '../../src/control/socket-path.ts'

test('a short path is its own name', (t) => {
  t.is(
    withShortName('/run/control.sock', (name) => name),
    '/run/control.sock'
  )
})

test('a long path gets a short name that leads to the same file', { skip: process.platform !== 'linux' }, async (t) => {
  const directory = join(await t.tmp(), ...Array.from({ length: 12 }, (_, i) => `a-deep-directory-${i}`))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'control.sock'), 'here')
  withShortName(join(directory, 'control.sock'), (name) => {
    t.ok(name.length <= 100, name)
    t.is(readFileSync(name, 'utf8'), 'here')
  })
})

test('an error passes through', async (t) => {
  await t.exception(
    () =>
      withShortName('/run/control.sock', () => {
        throw new Error('refused')
      }),
    /refused/
  )
})
