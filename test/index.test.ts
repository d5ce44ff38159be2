import { join } from 'node:path'
import { test } from 'brittle'
import * as api from '../src/index.ts'
import { Declarations } from './support/declarations.ts'

// The tests run as `dist/test/…`, beside the declarations of what they test.
const source = join(import.meta.dirname, '../src')
const index = join(source, 'index')
const declarations = new Declarations()

/** The members of an interface, without those that it extends. */
function membersOf(file: string, name: string): readonly string[] {
  const members = declarations.textOf(join(source, file), name).matchAll(/^ {4}(?:readonly )?(\w+|\[[\w.]+\])\??[:(]/gm)
  return [...members].map(([, member = '']) => member).sort()
}

test('the public API exports these values, and nothing else at run time', (t) => {
  t.alike(Object.keys(api).sort(), [
    'SyncError',
    'bootstrap',
    'clone',
    'diagnose',
    'limitFolder',
    'machineKey',
    'openLog',
    'selectFolder',
    'share',
    'verifyFolder'
  ])
})

test('no public signature names a type of a dependency', (t) => {
  const { packages, declarations: reached } = declarations.reach(index, declarations.exportsOf(index))
  t.ok(reached.length > 50, `${reached.length} declarations are reached`)
  t.alike(packages, [])
})

test('an internal type would be found to name one', (t) => {
  const { packages } = declarations.reach(join(source, 'handle/folder-handle'), ['FolderHandle'])
  t.ok(packages.includes('hypercore'))
})

test('no class is public but the error', (t) => {
  const { declarations: reached } = declarations.reach(index, declarations.exportsOf(index))
  t.alike(
    reached.filter(({ kind }) => kind === 'class').map(({ name }) => name),
    ['SyncError']
  )
})

test('a folder offers the documented members alone', (t) => {
  t.alike(membersOf('handle/folder-api', 'OpenFolder'), [
    '[Symbol.asyncIterator]',
    'broken',
    'close',
    'collectGarbage',
    'connections',
    'holds',
    'isPaused',
    'kept',
    'key',
    'limit',
    'pause',
    'peers',
    'problems',
    'ready',
    'resume',
    'status',
    'subscribe',
    'traffic',
    'verify',
    'whyNoPeers'
  ])
  t.alike(membersOf('handle/folder-api', 'SharedFolder'), ['published'])
  t.alike(membersOf('handle/folder-api', 'ClonedFolder'), ['inSync', 'select'])
})
